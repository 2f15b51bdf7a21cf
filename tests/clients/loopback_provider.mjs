// The OAuth side of a Node client with a listener on loopback. A person is needed? The
// authorization URL goes out on standard output, and their browser comes back to the listener.
import { createServer } from "node:http";

export class LoopbackProvider {
  #client;
  #tokens;
  #verifier;
  #state;
  #visits = [];
  #waiting = [];
  #server;

  // With a document URL the client is its metadata document where the hub takes those.
  constructor(clientName, documentUrl) {
    this.clientName = clientName;
    this.clientMetadataUrl = documentUrl;
  }

  async listen() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.redirectUrl = `http://127.0.0.1:${this.#server.address().port}/callback`;
    return this;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request, response) {
    const url = new URL(request.url, this.redirectUrl);
    const isOurs = url.pathname === "/callback";
    response.writeHead(isOurs ? 200 : 404, { "Content-Type": "text/html" });
    response.end("<!doctype html><title>Connected</title><p>You can close this page.");
    if (!isOurs) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting(url.searchParams);
    else this.#visits.push(url.searchParams);
  }

  get clientMetadata() {
    return {
      client_name: this.clientName,
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state() {
    this.#state = crypto.randomUUID();
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

  invalidateCredentials(kind) {
    if (kind === "all" || kind === "client") this.#client = undefined;
    if (kind === "all" || kind === "tokens") this.#tokens = undefined;
  }

  redirectToAuthorization(url) {
    console.log(`AUTHORIZE ${url.href}`);
  }

  // The parameters of the next visit; the state is compared here because no SDK does it.
  async callbackParameters() {
    const parameters = this.#visits.shift() ?? (await new Promise((visit) => this.#waiting.push(visit)));
    if (parameters.get("state") !== this.#state) throw new Error("state differs");
    return parameters;
  }
}
