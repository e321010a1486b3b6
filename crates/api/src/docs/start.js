// Shows the contract of the service that this page is from.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  // There is nobody else to ask whether the document is valid.
  validatorUrl: null,
});
