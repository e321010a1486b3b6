// Shows the OpenAPI document of this service.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  // Do not send the document to an external validator.
  validatorUrl: null,
});
