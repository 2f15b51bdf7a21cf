// The OAuth side of a Node client whose person is the Python test: the authorization URL goes out
// on standard output, the URL that the browser was sent back to comes in on standard input.
import { createInterface } from "node:readline/promises";

export const REDIRECT_URI = "http://127.0.0.1:33418/callback";

export class PersonProvider {
  #client;
  #tokens;
  #verifier;
  #state = crypto.randomUUID();
  #cameBack;

  constructor(clientName) {
    this.clientMetadata = {
      client_name: clientName,
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  get redirectUrl() {
    return REDIRECT_URI;
  }

  state() {
    return this.#state;
  }

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(client) {
    this.#client = client;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  redirectToAuthorization(url) {
    const lines = createInterface({ input: process.stdin });
    this.#cameBack = new Promise((resolve) => lines.once("line", resolve)).finally(() => lines.close());
    console.log(`AUTHORIZE ${url.href}`);
  }

  // The parameters of the redirect; the state is compared here because no SDK does it.
  async callbackParameters() {
    const parameters = new URL(await this.#cameBack).searchParams;
    if (parameters.get("state") !== this.#state) throw new Error("state differs");
    return parameters;
  }
}
