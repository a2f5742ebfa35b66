# A chat for a team on Cloud Run: members of a group call it with their own identities, and it is warm in office hours.

terraform {
  required_version = ">= 1.9, < 2.0"
}

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
}

variable "bootstrap" {
  description = "Create everything except the service. For the first apply only."
  type        = bool
  default     = false
}

module "chat" {
  source = "git::https://github.com/OWNER/gguf-chat-function.git//terraform/gcp?ref=v0.2.0"

  project   = var.project
  region    = "europe-west1"
  name      = "team-chat"
  bootstrap = var.bootstrap

  model      = "qwen2.5-3b-instruct-q4_k_m.gguf"
  model_file = "qwen2.5-3b-instruct-q4_k_m.gguf"
  cpu        = 8
  memory_mib = 8192

  invokers        = ["group:team@example.com"]
  warmup_schedule = "*/10 7-18 * * 1-5"
  alert_emails    = ["operator@example.com"]
  env             = { SYSTEM_PROMPT = "You help the team. Answer briefly." }
}

output "image" {
  description = "Image repository to push to, without a tag."
  value       = module.chat.image
}

output "url" {
  description = "URL of the service."
  value       = module.chat.url
}

output "curl" {
  description = "Command that requests a streamed reply."
  value       = module.chat.curl
}
