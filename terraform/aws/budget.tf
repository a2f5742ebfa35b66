resource "aws_budgets_budget" "month" {
  count = var.monthly_budget == null ? 0 : 1

  name         = "${var.name}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"

  dynamic "notification" {
    for_each = [["ACTUAL", 50], ["ACTUAL", 100], ["FORECASTED", 100]]
    content {
      notification_type          = notification.value[0]
      threshold                  = notification.value[1]
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.alert_emails
    }
  }
}
