/* The OpenAPI document: what controllers and DTOs say, completed by what all routes have in common. */
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SECURITY_SCHEME, completeOperation } from './documented-operation.js';
import { routeFinder } from './documented-route.js';
import { handlerName } from './handler-finder.js';
import { Problem } from './problem.dto.js';

/** One heading of the documentation. */
export interface ApiSection {
  readonly name: string;
  readonly description: string;
  /** The routes below these paths belong to it. */
  readonly paths: readonly string[];
}

/** What the document holds besides routes. */
export interface ApiContents {
  readonly sections: readonly ApiSection[];
  /** `webhooks` of OpenAPI 3.1, by name: what is sent to others. */
  readonly webhooks: Readonly<Record<string, object>>;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const DESCRIPTION = `Usage metering and billing sync.

Quantities, prices and amounts are decimal strings; times are RFC 3339. A refusal is a problem (RFC 9457) whose \`code\`
is stable. Lists take \`limit\` and \`cursor\`, and answer \`next_cursor\`, which is null on the last page. A key with the
scope \`admin\` may do everything.`;

/** OpenAPI 3.1 at `/openapi.json`, and a page to read and try it at `/docs`, under these headings in this order, with what is sent to others. */
export function setUpDocumentation(
  app: NestFastifyApplication,
  { sections, webhooks }: ApiContents,
): void {
  const description = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Meterline')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .addSecurity(SECURITY_SCHEME, { type: 'http', scheme: 'bearer', description: 'An API key.' });
  for (const section of sections) {
    description.addTag(section.name, section.description);
  }
  const createDocument = (): OpenAPIObject => {
    const document = SwaggerModule.createDocument(app, description.build(), {
      autoTagControllers: false,
      extraModels: [Problem],
      operationIdFactory: handlerName,
    });
    complete(document, app, sections);
    // Nest's type of a document is that of 3.0, which has none.
    Object.assign(document, { webhooks });
    return document;
  };
  // Made when somebody first reads it: it would take a third of the start of a service.
  SwaggerModule.setup('docs', app, createDocument, {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'Meterline API',
  });
}

/** What cannot be completed stays as it is: the documentation is no reason not to start, and a test finds it. */
function complete(
  document: OpenAPIObject,
  app: NestFastifyApplication,
  sections: readonly ApiSection[],
): void {
  const findRoute = routeFinder(app);
  for (const [path, item] of Object.entries(document.paths)) {
    const tag = sections.find(({ paths }) => paths.some((base) => isBelow(path, base)))?.name;
    for (const method of METHODS) {
      const operation = item[method];
      const route = findRoute(operation?.operationId ?? '');
      if (operation !== undefined && route !== null) {
        completeOperation(operation, { path, method, tag, route });
      }
    }
  }
}

function isBelow(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`);
}
