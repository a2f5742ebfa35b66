"""Documentation of the API: the OpenAPI document for programs, Swagger UI for people."""
