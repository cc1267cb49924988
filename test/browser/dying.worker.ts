/** The worker of a disk, which ends itself when it is told to. */
import "../../host/worker.ts";

new BroadcastChannel("die").onmessage = () => self.close();
