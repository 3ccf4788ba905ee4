// Swagger UI under a policy without inline scripts: its settings come from the element's data attributes.
const box = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: box.dataset.schema,
  domNode: box,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // Only calls that change something need it, and only to this console.
  requestInterceptor: (request) => {
    const here = new URL(request.url, location.href).origin === location.origin;
    if (here && request.method !== "GET") request.headers[box.dataset.csrfHeader] = box.dataset.csrf;
    return request;
  },
});
