// @modelcontextprotocol/client 2.x:
// node client_v2.mjs <mcp url> <legacy|auto|version to pin> [url of a metadata document]
import { createRequire } from "node:module";
import { converse } from "./conversation.mjs";
import { LoopbackProvider } from "./loopback_provider.mjs";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = require("@modelcontextprotocol/client");

const [url, mode, documentUrl] = process.argv.slice(2);
const provider = await new LoopbackProvider("typescript-client-v2", documentUrl).listen();
const versionNegotiation = { mode: ["legacy", "auto"].includes(mode) ? mode : { pin: mode } };
let client;
let transport;

await converse(provider, {
  async connect() {
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
    client = new Client({ name: "typescript-client-v2", version: "1.0.0" }, { versionNegotiation });
    await client.connect(transport);
  },
  needsPerson: (error) => error instanceof UnauthorizedError,
  finishAuth: (parameters) => transport.finishAuth(parameters),
  client: () => client,
  facts: () => ({
    protocolVersion: client.getNegotiatedProtocolVersion(),
    serverInfo: client.getServerVersion(),
  }),
});
