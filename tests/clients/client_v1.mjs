// @modelcontextprotocol/sdk 1.x: node client_v1.mjs <mcp url> [url of a metadata document]
import { createRequire } from "node:module";
import { converse } from "./conversation.mjs";
import { LoopbackProvider } from "./loopback_provider.mjs";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { UnauthorizedError } = require("@modelcontextprotocol/sdk/client/auth.js");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const [url, documentUrl] = process.argv.slice(2);
const provider = await new LoopbackProvider("typescript-client-v1", documentUrl).listen();
let client;
let transport;

await converse(provider, {
  async connect() {
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
    client = new Client({ name: "typescript-client-v1", version: "1.0.0" });
    await client.connect(transport);
  },
  needsPerson: (error) => error instanceof UnauthorizedError,
  finishAuth: (parameters) => transport.finishAuth(parameters.get("code")),
  client: () => client,
  facts: () => ({ protocolVersion: transport.protocolVersion, serverInfo: client.getServerVersion() }),
});
