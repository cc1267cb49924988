/** Which folder may import which. A row may name only rows above it, so no cycle can be written. */
const ENGINE = ["assembly/format", "assembly/engine/hash", "assembly/engine"];
const MEDIA = [...ENGINE, "assembly/format/media"];
const EXT4 = [...MEDIA, "assembly/mkfs/ext4/base"];
const EXT4_MAKE = ["assembly/mkfs/ext4/make/base", "assembly/mkfs/ext4/make/nodes"];
const EXT4_READ = [
  ...[...EXT4, "assembly/mkfs/ext4/read", "assembly/mkfs/ext4/journal"],
  "assembly/mkfs/ext4/entries",
];
const TREE = [...ENGINE, "assembly/tree/pages", "assembly/tree", "assembly/tree/whole"];
const MKFS = ["assembly/mkfs/fat/base", "assembly/mkfs/fat", "assembly/mkfs/fat/check"];
const STORE = ["assembly/store/pack", "assembly/store", "assembly/store/repair"];
const FS = ["assembly/fs/wf/records", "assembly/fs/wf", "assembly/fs/ro"];
const BASE = ["host/base", "host/base/web", "host/base/web/peer", "host/base/platform"];
const DEVICE = ["assembly/format", ...BASE, "host/device"];
const CORE = [
  ...DEVICE,
  "host/format",
  "host/format/json",
  "host/format/rayos",
  "host/format/loader",
  "host/core/node",
  "host/core/node/async",
  "host/core/handles",
  "host/core/gpt",
  "host/core/fat",
  "host/core/boot",
  "host/core",
  "host/core/media",
  "host/core/hash",
];
const LOG = [...CORE, "host/system/log"];
const CAPS = ["host/system/caps/base", "host/system/caps/tree", "host/system/caps"];
const BOOT = [
  ...[...LOG, ...CAPS, "host/system/config", "host/system/service"],
  ...["host/system/boot", "host/system/init"],
];
const FLOWS = ["host/system/image", "host/system/media", "host/system/update", "host/system/vm"];
const RAYOS_FORMAT = "host/format/rayos";
const RAYOS = [
  ...[...CORE, RAYOS_FORMAT, "host/system/image", "host/system/media"],
  "host/system/install",
];
const RAYOS_ROOMS = [
  "host/system/rayos/source",
  "host/system/rayos/plan",
  "host/system/rayos/content",
  "host/system/rayos/apply",
  "host/system/rayos",
];
const SYSTEM = [
  ...[...BOOT, ...FLOWS, "host/system/install", "host/system/loader", "host/system"],
  "host/system/demo",
  ...[RAYOS_FORMAT, ...RAYOS_ROOMS],
];
const ADAPTERS = [
  ...["host/device/local", "host/device/wrap", "host/device/wrap/bridge"],
  ...["host/device/remote", "host/device/nbd", "host/device/fault"],
];
const INSTALLER = ["host/system/disks", "host/system/installer"];
const WEB = [...ADAPTERS, ...SYSTEM, "host/system/disk", "host/system/shell"];
const COMMANDS = ["host/cli/disk", "host/cli/data", "host/cli/flow", "host/cli/serve"];

export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "assembly/format": [],
  "assembly/format/media": [],
  "assembly/engine/hash": ["assembly/format"],
  "assembly/engine": ["assembly/format", "assembly/engine/hash"],
  "assembly/disk": ENGINE,
  "assembly/mkfs/fat/base": ENGINE,
  "assembly/mkfs/fat": [...ENGINE, "assembly/mkfs/fat/base"],
  "assembly/mkfs/fat/check": [...ENGINE, "assembly/mkfs/fat/base", "assembly/mkfs/fat"],
  "assembly/mkfs/ext4/base": MEDIA,
  "assembly/mkfs/ext4/make/base": EXT4,
  "assembly/mkfs/ext4/make/nodes": [...EXT4, "assembly/mkfs/ext4/make/base"],
  "assembly/mkfs/ext4/make": [...EXT4, ...EXT4_MAKE],
  "assembly/mkfs/ext4/read": EXT4,
  "assembly/mkfs/ext4/journal": [...EXT4, "assembly/mkfs/ext4/read"],
  "assembly/mkfs/ext4/entries": [...EXT4, "assembly/mkfs/ext4/read"],
  "assembly/mkfs/ext4/change/base": EXT4_READ,
  "assembly/mkfs/ext4/change/names": [...EXT4_READ, "assembly/mkfs/ext4/change/base"],
  "assembly/mkfs/ext4/change": [
    ...[...EXT4_READ, "assembly/mkfs/ext4/change/base", "assembly/mkfs/ext4/change/names"],
  ],
  "assembly/mkfs/ext4/check": [
    ...[...EXT4, "assembly/mkfs/ext4/read", "assembly/mkfs/ext4/entries"],
  ],
  "assembly/mkfs/iso": MEDIA,
  "assembly/unpack": ENGINE,
  "assembly/mkfs/iso/make": [...MEDIA, "assembly/mkfs/iso"],
  "assembly/fs/ro": ENGINE,
  "assembly/tree/pages": ENGINE,
  "assembly/tree": [...ENGINE, "assembly/tree/pages"],
  "assembly/tree/whole": [...ENGINE, "assembly/tree/pages", "assembly/tree"],
  "assembly/store/pack": TREE,
  "assembly/store": [...TREE, "assembly/store/pack"],
  "assembly/store/repair": [...TREE, "assembly/store/pack", "assembly/store"],
  "assembly/fs/wf/records": TREE,
  "assembly/fs/wf": [...TREE, "assembly/fs/wf/records"],
  "assembly/fs": [...TREE, ...FS],
  "assembly/api": [...TREE, ...STORE, ...FS, ...MKFS, "assembly/disk", "assembly/fs"],
  "assembly/api/media": [
    ...[...EXT4, ...EXT4_MAKE, "assembly/mkfs/ext4/make", "assembly/mkfs/ext4/read"],
    ...["assembly/mkfs/ext4/journal", "assembly/mkfs/ext4/entries", "assembly/mkfs/ext4/check"],
    ...["assembly/mkfs/ext4/change/base", "assembly/mkfs/ext4/change"],
    ...["assembly/mkfs/iso", "assembly/mkfs/iso/make", "assembly/unpack"],
  ],
  assembly: ["assembly/api", "assembly/api/media"],
  "assembly/testing": TREE,
  "assembly/services/abi": [],
  "assembly/services/kit": ["assembly/services/abi"],
  "assembly/services": ["assembly/format", "assembly/services/abi", "assembly/services/kit"],
  "assembly/services/testing": ["assembly/services/abi", "assembly/services/kit"],

  "host/base": ["assembly/format"],
  "host/base/web": ["assembly/format", "host/base"],
  "host/base/web/peer": ["host/base", "host/base/web"],
  "host/base/platform": ["host/base"],
  "host/format": ["assembly/format", ...BASE],
  "host/format/json": ["assembly/format", ...BASE, "host/format"],
  "host/format/rayos": ["assembly/format", ...BASE, "host/format", "host/format/json"],
  "host/format/loader": BASE,
  "host/device": ["assembly/format", ...BASE],
  "host/device/local/file": DEVICE,
  "host/device/local": [...DEVICE, "host/device/local/file"],
  "host/device/wrap/bridge": DEVICE,
  "host/device/wrap/overlay": [...DEVICE, "host/format"],
  "host/device/wrap": [...DEVICE, "host/format", "host/device/wrap/overlay"],
  "host/device/remote": DEVICE,
  "host/device/nbd": DEVICE,
  "host/device/fault": DEVICE,
  "host/core/node": DEVICE,
  "host/core/node/async": [...DEVICE, "host/core/node"],
  "host/core/handles": [...DEVICE, "host/core/node", "host/core/node/async"],
  "host/core/gpt": [...BASE],
  "host/core/store": ["assembly/format", ...BASE],
  "host/core/fat": ["assembly/format", ...BASE],
  "host/core/boot": ["assembly/format", ...BASE],
  "host/core": [
    ...DEVICE,
    "host/core/node",
    "host/core/node/async",
    "host/core/gpt",
    "host/core/store",
    "host/core/fat",
    "host/core/boot",
  ],
  "host/core/media/ext4": [...DEVICE, "assembly/format/media", "host/core"],
  "host/core/media": [...DEVICE, "assembly/format/media", "host/core", "host/core/media/ext4"],
  "host/core/hash": [...DEVICE, "host/core"],
  "host/system/log": CORE,
  "host/system/caps/base": CORE,
  "host/system/caps/tree": [...CORE, "host/system/caps/base"],
  "host/system/caps": [...CORE, "host/system/caps/base", "host/system/caps/tree"],
  "host/system/config": LOG,
  "host/system/service": [...LOG, ...CAPS, "host/system/config", "assembly/services/abi"],
  "host/system/boot": [...LOG, ...CAPS, "host/system/config"],
  "host/system/init": [
    ...[...LOG, ...CAPS, "host/system/config", "host/system/service"],
    "host/system/boot",
  ],
  "host/system/image": BOOT,
  "host/system/media": [...BOOT, "host/system/image"],
  "host/system/update": BOOT,
  "host/system/vm": BOOT,
  "host/system/install": [...BOOT, ...FLOWS],
  "host/system/loader": BOOT,
  "host/system": [...BOOT, ...FLOWS, "host/system/install", "host/system/loader"],
  "host/system/demo": BOOT,
  "host/system/rayos/source/unpack": CORE,
  "host/system/rayos/source": [...RAYOS, "host/system/rayos/source/unpack", "host/device/remote"],
  "host/system/rayos/plan": [...RAYOS, ...RAYOS_ROOMS.slice(0, 1)],
  "host/system/rayos/content": [...RAYOS, ...RAYOS_ROOMS.slice(0, 2)],
  "host/system/rayos/apply": [...RAYOS, ...RAYOS_ROOMS.slice(0, 3)],
  "host/system/rayos": [...RAYOS, ...RAYOS_ROOMS.slice(0, 4)],
  "host/system/disk": [...ADAPTERS, ...SYSTEM],
  "host/system/disk/remote": [...ADAPTERS, ...SYSTEM, "host/system/disk"],
  "host/system/disk/web": [
    ...[...ADAPTERS, ...SYSTEM, "host/system/disk"],
    "host/system/disk/remote",
  ],
  "host/system/disks": [...ADAPTERS, ...SYSTEM, "host/system/disk"],
  "host/system/installer": [...[...ADAPTERS, ...SYSTEM, "host/system/disk"], "host/system/disks"],
  "host/system/shell": SYSTEM,
  host: [
    ...[...ADAPTERS, ...SYSTEM, "host/system/disk"],
    ...["host/system/disk/remote", "host/system/disk/web"],
  ],
  "host/cli/kit": [...ADAPTERS, ...SYSTEM, "host/system/disk"],
  "host/cli/disk": [...ADAPTERS, ...SYSTEM, "host/cli/kit"],
  "host/cli/data": [...ADAPTERS, ...SYSTEM, "host/cli/kit"],
  "host/cli/installer": [
    ...[...ADAPTERS, ...SYSTEM, ...INSTALLER],
    ...["host/system/disk", "host/cli/kit"],
  ],
  "host/cli/flow": [
    ...[...ADAPTERS, ...SYSTEM, ...INSTALLER],
    ...["host/system/shell", "host/cli/kit", "host/cli/installer"],
  ],
  "host/cli/serve": [...ADAPTERS, ...SYSTEM, "host/cli/kit"],
  "host/cli": [...BASE, "host/cli/kit", ...COMMANDS],
  "host/web/rpc": WEB,
  "host/web/worker/shelf": [...WEB, "host/web/rpc"],
  "host/web/worker/payload": [...WEB, "host/web/rpc"],
  "host/web/worker": [
    ...[...WEB, "host/web/rpc", "host/web/worker/shelf", "host/web/worker/payload"],
  ],
  "host/web/view": [...BASE, "host/web/rpc"],
  "host/web/panels": [...BASE, "host/web/rpc", "host/web/view"],
  "host/web": [...BASE, "host/web/rpc", "host/web/view", "host/web/panels"],
};
