import { applyDecorators } from '@nestjs/common';
import { IsIn, IsOptional, ValidateBy, ValidateIf } from 'class-validator';
import { IsStorableText, isStorable, IsTimeZoneName } from '../../platform/http/validators.js';
import { isCron, type ScheduleKind, SCHEDULES } from './report-schedule.js';

const MAX_NAME_LENGTH = 100;
const MAX_CRON_LENGTH = 100;

/** Of one customer, or of one plan. */
const EitherCustomerOrPlan = (other: 'customer' | 'plan'): PropertyDecorator =>
  applyDecorators(
    ValidateIf(
      (report: CreateUsageReportDto, value) => value !== undefined || report[other] === undefined,
    ),
    ValidateBy({
      name: 'isOneSubject',
      validator: {
        validate: (value, args) =>
          typeof value === 'string' &&
          value.length > 0 &&
          value.length <= MAX_NAME_LENGTH &&
          isStorable(value) &&
          (args?.object as CreateUsageReportDto | undefined)?.[other] === undefined,
        defaultMessage: () => 'one of customer and plan must be given, by id or key',
      },
    }),
  );

/** The schedule `cron` needs an expression, and no other takes one. */
const OfCronSchedule = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf(
      (report: CreateUsageReportDto, value) => value !== undefined || report.schedule === 'cron',
    ),
    ValidateBy({
      name: 'isCron',
      validator: {
        validate: (value, args) =>
          (args?.object as CreateUsageReportDto | undefined)?.schedule === 'cron' &&
          typeof value === 'string' &&
          value.length <= MAX_CRON_LENGTH &&
          isCron(value),
        defaultMessage: () =>
          'must be five fields as cron has them, such as "30 6 * * mon", with the schedule "cron" only',
      },
    }),
  );

/** Hours are the same everywhere. */
const NotHourly = (): PropertyDecorator =>
  ValidateBy({
    name: 'unknownField',
    validator: {
      validate: (_, args) =>
        (args?.object as CreateUsageReportDto | undefined)?.schedule !== 'hourly',
      defaultMessage: () => 'is a field of the schedules "daily" and "cron" only',
    },
  });

export class CreateUsageReportDto {
  @IsStorableText(MAX_NAME_LENGTH)
  name: string;

  /** Id or key: the usage of this customer. */
  @EitherCustomerOrPlan('plan')
  customer?: string;

  /** Id or key: the usage of every subscription to this plan. */
  @EitherCustomerOrPlan('customer')
  plan?: string;

  /** `hourly`: at every full hour. `daily`: at midnight. `cron`: as `cron` says. */
  @IsIn(SCHEDULES)
  schedule: ScheduleKind;

  /** Minute, hour, day of the month, month and day of the week. */
  @OfCronSchedule()
  cron?: string;

  /** By whose clock the schedule goes; UTC by default. */
  @ValidateIf((_, value) => value !== undefined)
  @NotHourly()
  @IsTimeZoneName()
  time_zone?: string;

  /** The webhook endpoint that is told; without it every one that wants `usage.reported`. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  webhook_endpoint?: string | null;
}

export class UsageReportResponse {
  id: string;
  name: string;
  /** The key of the customer; null for a report of a plan. */
  customer: string | null;
  /** The key of the plan; null for a report of a customer. */
  plan: string | null;
  schedule: string;
  /** As it was given, and of `hourly` and `daily` what they mean. */
  cron: string;
  time_zone: string;
  webhook_endpoint: string | null;
  /** In its time zone; null once it is archived. */
  next_slot_at: string | null;
  created_at: string;
  archived_at: string | null;
}

export class UsageReportRunResponse {
  id: string;
  /** In the time zone of the report, as is `missed_from`. */
  slot_at: string;
  /** The first of the slots before it that were missed, and that it stands for; null when none was. */
  missed_from: string | null;
  started_at: string;
  /** Null until all billing periods were reported. */
  finished_at: string | null;
  /** How many messages there are of it so far: one for each billing period. */
  message_count: number;
}
