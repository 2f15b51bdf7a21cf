// @modelcontextprotocol/client 2.x: node client_v2.mjs <mcp url> <legacy|auto|version to pin>
import { createRequire } from "node:module";
import { PersonProvider } from "./person_provider.mjs";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = require("@modelcontextprotocol/client");

const [url, mode] = process.argv.slice(2);
const provider = new PersonProvider("typescript-client-v2");
const newTransport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
const newClient = () =>
  new Client(
    { name: "typescript-client-v2", version: "1.0.0" },
    { versionNegotiation: { mode: ["legacy", "auto"].includes(mode) ? mode : { pin: mode } } },
  );

let client = newClient();
const first = newTransport();
try {
  await client.connect(first);
  throw new Error("connected without authorization");
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await first.finishAuth(await provider.callbackParameters());
}

client = newClient();
await client.connect(newTransport());
const { tools } = await client.listTools();
const briefing = await client.callTool({ name: "monsys_kpi_summary" });
const alerts = await client.callTool({
  name: "monsys_list_alerts",
  arguments: { severity: "critical", limit: 10 },
});
console.log(
  `RESULT ${JSON.stringify({
    protocolVersion: client.getNegotiatedProtocolVersion(),
    serverInfo: client.getServerVersion(),
    tools: tools.map((tool) => tool.name),
    scope: provider.tokens().scope,
    briefing,
    alerts,
  })}`,
);
await client.close();
