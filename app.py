"""The CDK app: one stack that names no account and no Region, so that anyone can synthesize and deploy it anywhere."""

import aws_cdk as cdk

from infra.stack import AccessKeyRotation

app = cdk.App()
AccessKeyRotation(app, "AccessKeyRotation")
app.synth()
