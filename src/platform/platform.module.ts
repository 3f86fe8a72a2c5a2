import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { type DataSource } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import { AccessModule } from './access/access.module.js';
import { CONFIG, type Config } from './config.js';
import { Database } from './database/database.js';
import { DatabaseClock } from './database/database-clock.js';
import { DATABASE_URL } from './database/data-source.js';
import { Outage } from './database/outage.js';
import { PlannedConnections } from './database/planned-connections.js';
import { HealthController } from './http/health.controller.js';
import { Metrics } from './http/metrics.js';
import { Log } from './log.js';
import { AddressRules } from './outbound/address-rules.js';
import { OutboundHttp } from './outbound/outbound-http.js';
import { Sealer } from './sealer.js';
import { SystemClock } from './system-clock.js';

export interface PlatformOptions {
  readonly config: Config;
  readonly log: Log;
  readonly dataSource: DataSource;
  /** For small questions that are planned once; by default they take any connection. */
  readonly planned?: PlannedConnections;
  readonly databaseUrl: string;
}

/** What every feature stands on. */
@Global()
@Module({})
export class PlatformModule {
  static with({ config, log, dataSource, planned, databaseUrl }: PlatformOptions): DynamicModule {
    const database = new Database(dataSource, planned);
    const { allowedCidrs, allowedPorts } = config.webhooks;
    const rules = new AddressRules(allowedCidrs, allowedPorts);
    const outbound = new OutboundHttp(rules, database, undefined, config.webhooks);
    return {
      module: PlatformModule,
      imports: [ScheduleModule.forRoot(), AccessModule],
      controllers: [HealthController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: DATABASE_URL, useValue: databaseUrl },
        { provide: Log, useValue: log },
        { provide: Database, useValue: database },
        { provide: OutboundHttp, useValue: outbound },
        SystemClock,
        Metrics,
        Outage,
        {
          provide: Clock,
          inject: [SystemClock, Outage],
          useFactory: async (machine: SystemClock, outage: Outage) => {
            const clock = new DatabaseClock(machine, database, log, outage);
            await clock.agree();
            return clock;
          },
        },
        Sealer,
      ],
      exports: [CONFIG, DATABASE_URL, Log, Database, Clock, Metrics, Outage, OutboundHttp, Sealer],
    };
  }
}
