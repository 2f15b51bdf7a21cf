// openid-client's own discovery, registration and configuration: node strict_discovery.mjs <issuer>
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const client = require("openid-client");

const issuer = new URL(process.argv[2]);
const found = [];
for (const algorithm of ["oauth2", "oidc"]) {
  const configuration = await client.dynamicClientRegistration(
    issuer,
    {
      client_name: "openid-client",
      redirect_uris: ["http://127.0.0.1/callback"],
      // Without this it is the registration of our documentation, answered as documented: with a
      // client_secret of null, which this library does not take.
      token_endpoint_auth_method: "none",
    },
    client.None(),
    { algorithm, execute: [client.allowInsecureRequests] },
  );
  const server = configuration.serverMetadata();
  found.push({
    issuer: server.issuer,
    supportsPKCE: server.supportsPKCE(),
    hasClient: configuration.clientMetadata().client_id.startsWith("mcp_"),
  });
}
console.log(`RESULT ${JSON.stringify({ found })}`);
