// @modelcontextprotocol/sdk 1.x: node client_v1.mjs <mcp url>
import { createRequire } from "node:module";
import { PersonProvider } from "./person_provider.mjs";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { UnauthorizedError } = require("@modelcontextprotocol/sdk/client/auth.js");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const [url] = process.argv.slice(2);
const provider = new PersonProvider("typescript-client-v1");
const newTransport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
const newClient = () => new Client({ name: "typescript-client-v1", version: "1.0.0" });

const first = newTransport();
try {
  await newClient().connect(first);
  throw new Error("connected without authorization");
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await first.finishAuth((await provider.callbackParameters()).get("code"));
}

const client = newClient();
const transport = newTransport();
await client.connect(transport);
const { tools } = await client.listTools();
const briefing = await client.callTool({ name: "monsys_kpi_summary" });
const alerts = await client.callTool({
  name: "monsys_list_alerts",
  arguments: { severity: "critical", limit: 10 },
});
console.log(
  `RESULT ${JSON.stringify({
    protocolVersion: transport.protocolVersion,
    serverInfo: client.getServerVersion(),
    tools: tools.map((tool) => tool.name),
    scope: provider.tokens().scope,
    briefing,
    alerts,
  })}`,
);
await client.close();
