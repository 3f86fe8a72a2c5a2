import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { instantOf } from '../kernel/instant.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import {
  AssignSubjectDto,
  CreateCustomerDto,
  CustomerResponse,
  CustomerSubjectResponse,
  CustomerSubjectsResponse,
  UpdateCustomerDto,
} from './create-customer.dto.js';
import { type Customer, type CustomerChanges, type CustomerSubject } from './customer.js';
import { CustomersReader } from './customers.reader.js';
import { CustomersService, type NewCustomer } from './customers.service.js';

@Controller('api/v1/customers')
export class CustomersController {
  constructor(
    private readonly customers: CustomersService,
    private readonly reader: CustomersReader,
  ) {}

  /** Create a customer. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The key, the Stripe customer or a subject belongs to a customer already (`key_taken`, `stripe_customer_taken`, `subject_owned`).',
  })
  async create(@Body() body: CreateCustomerDto): Promise<CustomerResponse> {
    return toResponse(await this.customers.create(toInput(body), body.subjects ?? []));
  }

  /** List customers, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(CustomerResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<CustomerResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(query.limit, before), toResponse);
  }

  /** One customer, by id or key. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<CustomerResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** Change a customer. The currency stays as it is. */
  @Patch(':id')
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The Stripe customer belongs to another customer already (`stripe_customer_taken`).',
  })
  async update(
    @Param('id') id: string,
    @Body() body: UpdateCustomerDto,
  ): Promise<CustomerResponse> {
    return toResponse(await this.customers.update(id, toChanges(body)));
  }

  /** Give a subject to the customer, from a moment on. */
  @Post(':id/subjects')
  @RequireScope('configure')
  @ApiConflictResponse({
    description: 'The subject belongs to a customer at that time already (`subject_owned`).',
  })
  async assignSubject(
    @Param('id') id: string,
    @Body() body: AssignSubjectDto,
  ): Promise<CustomerSubjectResponse> {
    const from = typeof body.from === 'string' ? instantOf(body.from) : null;
    return toSubjectResponse(await this.customers.assignSubject(id, body.subject, from));
  }

  /** The subjects of the customer, and the spans in which it owns them. */
  @Get(':id/subjects')
  @RequireScope('read')
  async subjects(@Param('id') id: string): Promise<CustomerSubjectsResponse> {
    const customer = await this.reader.get(id);
    const subjects = await this.reader.subjectsOf(customer.id);
    return { data: subjects.map(toSubjectResponse) };
  }
}

function toInput(body: CreateCustomerDto): NewCustomer {
  return {
    key: body.key,
    name: body.name,
    email: body.email ?? null,
    currency: body.currency,
    timeZone: body.time_zone ?? 'UTC',
    stripeCustomerId: body.stripe_customer_id ?? null,
    metadata: body.metadata ?? {},
  };
}

function toChanges(body: UpdateCustomerDto): CustomerChanges {
  return {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.email !== undefined && { email: body.email }),
    ...(body.time_zone !== undefined && { timeZone: body.time_zone }),
    ...(body.stripe_customer_id !== undefined && { stripeCustomerId: body.stripe_customer_id }),
    ...(body.metadata !== undefined && { metadata: body.metadata }),
  };
}

function toResponse(customer: Customer): CustomerResponse {
  return {
    id: customer.id,
    key: customer.key,
    name: customer.name,
    email: customer.email,
    currency: customer.currency,
    time_zone: customer.timeZone,
    stripe_customer_id: customer.stripeCustomerId,
    metadata: customer.metadata,
    created_at: customer.createdAt.toISOString(),
    updated_at: customer.updatedAt.toISOString(),
  };
}

function toSubjectResponse(subject: CustomerSubject): CustomerSubjectResponse {
  return {
    subject: subject.subject,
    customer: subject.customerId,
    from: subject.startsAt?.toISOString() ?? null,
    to: subject.endsAt?.toISOString() ?? null,
  };
}
