import { Controller, Get, Injectable, Param, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import { notFound } from '../../kernel/errors.js';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { AnswersClient, ClientIntake, type Protocol, TakesFromClient } from './client-intake.js';
import { EmptyResponse, MoesifConfigResponse } from './clients.dto.js';

const MOESIF: Protocol = { name: 'moesif', formats: ['moesif'] };
/** What Moesif takes besides events; no usage. */
const PROFILES = ['users', 'companies', 'subscriptions', 'actions'];
const ANYTHING = { type: 'object', additionalProperties: true } as const;

/** Every call is to be sent, so that each is counted and none estimated. */
const CONFIG: MoesifConfigResponse = {
  org_id: 'meterline',
  app_id: 'meterline',
  sample_rate: 100,
  user_sample_rate: {},
  company_sample_rate: {},
};

/** Moesif's collector API, whose clients hear nothing of what became of an event. */
@Injectable()
abstract class MoesifRoutes {
  constructor(private readonly intake: ClientIntake) {}

  /** Send an API call as Moesif's clients do. What is refused is kept. */
  @Post('v1/events')
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ schema: { oneOf: [ANYTHING] } })
  @ApiCreatedResponse({ type: EmptyResponse })
  async sendEvent(@Req() request: AuthenticatedRequest): Promise<EmptyResponse> {
    await this.intake.receive(request, MOESIF);
    return {};
  }

  /** Send API calls as Moesif's clients do. What is refused is kept. */
  @Post('v1/events/batch')
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ schema: { type: 'array', items: ANYTHING } })
  @ApiCreatedResponse({ type: EmptyResponse })
  async sendEvents(@Req() request: AuthenticatedRequest): Promise<EmptyResponse> {
    await this.intake.receive(request, MOESIF);
    return {};
  }

  /** What share of API calls shall Moesif's clients send? All. */
  @Get('v1/config')
  @AnswersClient()
  async getConfig(@Req() request: AuthenticatedRequest): Promise<MoesifConfigResponse> {
    await this.intake.findSource(request, MOESIF);
    return CONFIG;
  }

  /** Which API calls shall Moesif's clients block? None. */
  @Get('v1/rules')
  @AnswersClient()
  @ApiOkResponse({ schema: { type: 'array', items: ANYTHING } })
  async getRules(@Req() request: AuthenticatedRequest): Promise<object[]> {
    await this.intake.findSource(request, MOESIF);
    return [];
  }

  /** Send who callers are, as Moesif's clients do. Nothing of it is kept. */
  @Post('v1/:profile')
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ schema: { oneOf: [ANYTHING] } })
  @ApiCreatedResponse({ type: EmptyResponse })
  async sendProfile(
    @Req() request: AuthenticatedRequest,
    @Param('profile') profile: string,
  ): Promise<EmptyResponse> {
    return await this.ignore(request, profile);
  }

  /** Send who many callers are, as Moesif's clients do. Nothing of it is kept. */
  @Post('v1/:profile/batch')
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ schema: { type: 'array', items: ANYTHING } })
  @ApiCreatedResponse({ type: EmptyResponse })
  async sendProfiles(
    @Req() request: AuthenticatedRequest,
    @Param('profile') profile: string,
  ): Promise<EmptyResponse> {
    return await this.ignore(request, profile);
  }

  private async ignore(request: AuthenticatedRequest, profile: string): Promise<EmptyResponse> {
    await this.intake.findSource(request, MOESIF);
    if (!PROFILES.includes(profile)) {
      throw notFound('kind of profile', profile);
    }
    return {};
  }
}

@Controller('api/v1/sources/:key')
export class SourceMoesifController extends MoesifRoutes {}

@Controller('compat/moesif')
export class MoesifController extends MoesifRoutes {}
