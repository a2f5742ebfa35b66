# An endpoint for OpenAI's clients on Lambda: everyone with the key may call it, and a call costs at most two minutes.

terraform {
  required_version = ">= 1.9, < 2.0"
}

variable "bootstrap" {
  description = "Create everything except the function. For the first apply only."
  type        = bool
  default     = false
}

module "chat" {
  source = "git::https://github.com/OWNER/gguf-chat-function.git//terraform/aws?ref=v0.2.0"

  region    = "eu-central-1"
  name      = "chat-api"
  bootstrap = var.bootstrap

  model        = "qwen2.5-1.5b-instruct-q4_k_m.gguf"
  model_file   = "qwen2.5-1.5b-instruct-q4_k_m.gguf"
  architecture = "arm64"
  memory_mib   = 8192

  access            = "api_key"
  api_key_parameter = "/chat-api/key"
  timeout_seconds   = 120
  alert_emails      = ["operator@example.com"]
  env               = { MAX_TOKENS = "512" }
}

output "image" {
  description = "Image repository to push to, without a tag."
  value       = module.chat.image
}

output "url" {
  description = "URL of the function."
  value       = module.chat.url
}

output "curl" {
  description = "Command that requests a streamed reply."
  value       = module.chat.curl
}
