export { type CronProblem, type CronTimes, isCronProblem, parseCron } from "./cron-times.ts";
