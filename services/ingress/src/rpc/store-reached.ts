import { isUnavailable } from "@lanekeeper/postgres";
import { storeUnavailable } from "@lanekeeper/rpc";

/** The result of work on the database. @throws STORE_UNAVAILABLE where it cannot be reached */
export async function storeReached<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable(`${what} cannot be reached now; ask again`, error);
  }
}
