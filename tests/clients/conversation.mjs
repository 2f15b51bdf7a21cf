// What the scripts of both SDKs have in common: connect, then answer one question a line.
import { createInterface } from "node:readline";

// `sdk` connects, finishes an authorization, and knows when one is needed.
export async function converse(provider, sdk) {
  const withPerson = async (action, again) => {
    try {
      return await action();
    } catch (error) {
      if (!sdk.needsPerson(error)) throw error;
      await sdk.finishAuth(await provider.callbackParameters());
      return await again();
    }
  };
  await withPerson(sdk.connect, sdk.connect);
  console.log(`READY ${JSON.stringify({ ...sdk.facts(), scope: provider.tokens().scope })}`);
  for await (const line of createInterface({ input: process.stdin })) {
    const { tool, arguments: given } = JSON.parse(line);
    const ask = () =>
      tool ? sdk.client().callTool({ name: tool, arguments: given }) : sdk.client().listTools();
    console.log(`RESULT ${JSON.stringify(await withPerson(ask, ask))}`);
  }
  await sdk.client().close();
  provider.close();
}
