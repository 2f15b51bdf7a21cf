// oauth4webapi, which refuses whatever a specification does not allow, from discovery to revocation.
// node strict_client.mjs <issuer> <resource> <oauth2|oidc> <token endpoint authentication method>
import { createRequire } from "node:module";
import { createInterface } from "node:readline/promises";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const oauth = require("oauth4webapi");

const [issuerText, resource, algorithm, method] = process.argv.slice(2);
const issuer = new URL(issuerText);
const redirectUri = "http://127.0.0.1:33419/callback";
const options = { [oauth.allowInsecureRequests]: true };

const resourceServer = await oauth.processResourceDiscoveryResponse(
  new URL(resource),
  await oauth.resourceDiscoveryRequest(new URL(resource), options),
);
if (resourceServer.authorization_servers[0] !== issuerText) throw new Error("another issuer");

const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...options, algorithm }),
);

const client = await oauth.processDynamicClientRegistrationResponse(
  await oauth.dynamicClientRegistrationRequest(
    server,
    {
      client_name: "strict client",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: method,
    },
    options,
  ),
);
const authentication = {
  none: () => oauth.None(),
  client_secret_post: () => oauth.ClientSecretPost(client.client_secret),
  client_secret_basic: () => oauth.ClientSecretBasic(client.client_secret),
}[method]();

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const authorize = new URL(server.authorization_endpoint);
for (const [name, value] of Object.entries({
  client_id: client.client_id,
  redirect_uri: redirectUri,
  response_type: "code",
  scope: server.scopes_supported.join(" "),
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
  resource,
})) {
  authorize.searchParams.set(name, value);
}
const lines = createInterface({ input: process.stdin });
const cameBack = new Promise((resolve) => lines.once("line", resolve));
console.log(`AUTHORIZE ${authorize.href}`);
const parameters = oauth.validateAuthResponse(server, client, new URL(await cameBack), state);
lines.close();

const more = { ...options, additionalParameters: { resource } };
const first = await oauth.processAuthorizationCodeResponse(
  server,
  client,
  await oauth.authorizationCodeGrantRequest(
    server, client, authentication, parameters, redirectUri, verifier, more,
  ),
);
const second = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(server, client, authentication, first.refresh_token, more),
);

const call = (token) =>
  fetch(resource, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "monsys_kpi_summary", arguments: {} },
    }),
  }).then((response) => response.status);

const before = await call(second.access_token);
await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, client, authentication, second.refresh_token, options),
);
const after = [await call(first.access_token), await call(second.access_token)];
let refusal;
try {
  await oauth.processRefreshTokenResponse(
    server,
    client,
    await oauth.refreshTokenGrantRequest(server, client, authentication, second.refresh_token, more),
  );
} catch (error) {
  refusal = error.error;
}

console.log(
  `RESULT ${JSON.stringify({
    hasSecret: "client_secret" in client,
    scope: first.scope,
    expiresIn: first.expires_in,
    isRotated: first.refresh_token !== second.refresh_token,
    before,
    after,
    refusal,
  })}`,
);
