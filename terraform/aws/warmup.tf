# A ping is an event, not a request: the adapter passes it to /events.

resource "aws_iam_role" "warmup" {
  count = var.warmup_schedule == null ? 0 : 1

  name               = "${var.name}-warmup-${var.region}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["scheduler"].json
}

data "aws_iam_policy_document" "warmup" {
  count = var.warmup_schedule == null || var.bootstrap ? 0 : 1

  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live[0].arn]
  }
}

resource "aws_iam_role_policy" "warmup" {
  count = var.warmup_schedule == null || var.bootstrap ? 0 : 1

  name   = "invoke"
  role   = aws_iam_role.warmup[0].id
  policy = data.aws_iam_policy_document.warmup[0].json
}

resource "aws_scheduler_schedule" "warmup" {
  count = var.warmup_schedule == null || var.bootstrap ? 0 : 1

  name                         = "${var.name}-warmup"
  description                  = "Keeps an instance of ${var.name} warm"
  schedule_expression          = var.warmup_schedule
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live[0].arn
    role_arn = aws_iam_role.warmup[0].arn
    input    = jsonencode({ source = "scheduler", name = var.name })

    retry_policy {
      maximum_retry_attempts       = 0 # the next ping is the retry
      maximum_event_age_in_seconds = 60
    }
  }
}

# The schedule only queues the event; retries are configured here.
resource "aws_lambda_function_event_invoke_config" "live" {
  count = var.bootstrap ? 0 : 1

  function_name                = aws_lambda_function.chat[0].function_name
  qualifier                    = aws_lambda_alias.live[0].name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
