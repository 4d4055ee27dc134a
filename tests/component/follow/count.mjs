// Uses the key of the profile in AWS_PROFILE as often as it is told, with one client of the AWS SDK for JavaScript.
import { SQSClient } from "@aws-sdk/client-sqs";

const client = new SQSClient({ region: "eu-west-1" });
for (let use = 0; use < Number(process.argv[2]); use += 1) await client.config.credentials();
