export { PassingMap } from "./passing-map.ts";
export { PassingSet, type Place } from "./passing-set.ts";
