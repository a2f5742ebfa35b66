locals {
  url_auth = var.access == "private" ? "AWS_IAM" : "NONE"
  callers  = var.bootstrap ? toset([]) : toset(var.access == "private" ? var.invokers : ["*"])
}

resource "aws_lambda_function_url" "chat" {
  count = var.bootstrap ? 0 : 1

  function_name      = aws_lambda_function.chat[0].function_name
  qualifier          = aws_lambda_alias.live[0].name
  authorization_type = local.url_auth
  invoke_mode        = local.streaming.url
}

# A URL requires both permissions; the second one is valid only for calls through the URL.

resource "aws_lambda_permission" "url" {
  for_each = local.callers

  statement_id           = "url-${substr(sha256(each.value), 0, 12)}"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.chat[0].function_name
  qualifier              = aws_lambda_alias.live[0].name
  principal              = each.value
  function_url_auth_type = local.url_auth
}

resource "aws_lambda_permission" "invoke" {
  for_each = local.callers

  statement_id             = "invoke-${substr(sha256(each.value), 0, 12)}"
  action                   = "lambda:InvokeFunction"
  function_name            = aws_lambda_function.chat[0].function_name
  qualifier                = aws_lambda_alias.live[0].name
  principal                = each.value
  invoked_via_function_url = true
}
