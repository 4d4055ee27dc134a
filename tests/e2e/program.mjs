// The program of tests/e2e/program.py with the AWS SDK for JavaScript: one client for its whole life, without retries.
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";

const [log, stop] = process.argv.slice(2);
const client = new SQSClient({ maxAttempts: 1 });
const [failed, keys] = [[], []];
let calls = 0;
while (!existsSync(stop)) {
  const { accessKeyId } = await client.config.credentials();
  try {
    await client.send(new ListQueuesCommand({}));
  } catch (error) {
    failed.push(error.name);
  }
  calls += 1;
  if (keys.at(-1) !== accessKeyId) keys.push(accessKeyId);
  writeFileSync(`${log}.part`, JSON.stringify({ calls, failed, keys }));
  renameSync(`${log}.part`, log);
  await pause(250);
}
