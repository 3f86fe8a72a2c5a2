import { Controller, Get, Header, type OnModuleDestroy } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiServiceUnavailableResponse } from '@nestjs/swagger';
import { DomainError } from '../../kernel/errors.js';
import { Public } from '../access/scope.js';
import { Database } from '../database/database.js';
import { HealthResponse } from './health.dto.js';
import { Metrics } from './metrics.js';

/** For orchestrators and Prometheus; needs no key and tells no customer's data. */
@Controller()
@Public()
export class HealthController implements OnModuleDestroy {
  private isStopping = false;

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
  ) {}

  /** Is the process up? */
  @Get('health/live')
  live(): HealthResponse {
    return { status: 'ok' };
  }

  /** Can it serve: is the database there, and is it not about to stop? */
  @Get('health/ready')
  @ApiServiceUnavailableResponse({
    description: 'The database does not answer, or the service is stopping (`unavailable`).',
  })
  async ready(): Promise<HealthResponse> {
    if (this.isStopping) {
      throw new DomainError('unavailable', 'unavailable', 'The service is stopping.');
    }
    try {
      await this.database.ping();
    } catch (error) {
      throw new DomainError('unavailable', 'unavailable', 'The database does not answer.', {
        cause: error,
      });
    }
    return { status: 'ok' };
  }

  /** Figures in Prometheus's text format. */
  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiProduces('text/plain')
  @ApiOkResponse({ type: String })
  @ApiServiceUnavailableResponse()
  async read(): Promise<string> {
    return await this.metrics.registry.metrics();
  }

  onModuleDestroy(): void {
    this.isStopping = true;
  }
}
