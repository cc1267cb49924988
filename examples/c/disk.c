/*
 * The core in a C program: wasm2c turns the module into C, and this is its host.
 *
 *     wasm2c core.plain.wasm -n core -o core.c
 *     gcc -O1 disk.c core.c -lwasm-rt-impl -lm -o disk
 *     ./disk new disk.img         makes a disk with a file
 *     ./disk disk.img             reads the file
 *
 * The calls are those of docs/abi.md. wasm2c of Debian 12 knows no SIMD: core.plain.wasm has none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "core.h"

enum { SECTORS = 16384, DEVICE = 1, REQUEST_SIZE = 0x20 };

/* What wasm2c leaves to the host: where the imports find the disk and the module's memory. */
struct Z_host_instance_t {
  Z_core_instance_t *core;
  int disk;
};

/* The memory may grow in any call: it is asked for anew each time. */
static uint8_t *at(struct Z_host_instance_t *host, u32 address) {
  return Z_coreZ_memory(host->core)->data + address;
}

static u32 word(struct Z_host_instance_t *host, u32 address) {
  u32 value;
  memcpy(&value, at(host, address), sizeof value);
  return value;
}

static void set_word(struct Z_host_instance_t *host, u32 address, u32 value) {
  memcpy(at(host, address), &value, sizeof value);
}

/* One REQUEST: 0 reads, 1 writes, 4 flushes. Answers its status. */
static u32 carry_out(struct Z_host_instance_t *host, u32 request) {
  uint64_t sector;
  memcpy(&sector, at(host, request + 0x08), sizeof sector);
  uint8_t *data = at(host, word(host, request + 0x10));
  u32 length = word(host, request + 0x14);
  off_t offset = (off_t)sector * 512;
  switch (word(host, request)) {
    case 0: return pread(host->disk, data, length, offset) == (ssize_t)length ? 0 : 1;
    case 1: return pwrite(host->disk, data, length, offset) == (ssize_t)length ? 0 : 1;
    case 4: return fsync(host->disk) == 0 ? 0 : 1;
    default: return 2;
  }
}

u32 Z_hostZ_submit(struct Z_host_instance_t *host, u32 device, u32 requests, u32 count) {
  (void)device;
  for (u32 index = 0; index < count; index++) {
    u32 request = requests + index * REQUEST_SIZE;
    u32 status = carry_out(host, request);
    set_word(host, request + 0x04, status);
    set_word(host, request + 0x1c, status == 0 ? word(host, request + 0x14) : 0);
  }
  return 0;
}

u32 Z_hostZ_config(struct Z_host_instance_t *host, u32 device, u32 out) {
  (void)device;
  memset(at(host, out), 0, 0x38);
  set_word(host, out + 0x00, 0x244); /* segments, block size, flush */
  set_word(host, out + 0x08, SECTORS);
  set_word(host, out + 0x14, 128); /* segments of one request */
  set_word(host, out + 0x18, 512);
  set_word(host, out + 0x34, 1); /* writes last from FLUSH on */
  return 0;
}

u32 Z_hostZ_sha256(struct Z_host_instance_t *host, u32 address, u32 length, u32 out) {
  (void)host, (void)address, (void)length, (void)out;
  return (u32)-95; /* EOPNOTSUPP: the core has its own */
}

void Z_hostZ_random(struct Z_host_instance_t *host, u32 out, u32 length) {
  if (getrandom(at(host, out), length, 0) != (ssize_t)length) abort();
}

void Z_hostZ_clock(struct Z_host_instance_t *host, u32 out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  memcpy(at(host, out), &ns, sizeof ns);
}

/* A result, or the end of the program with the errno that it is. */
static u32 check(u32 result, const char *what) {
  if ((int32_t)result >= 0) return result;
  fprintf(stderr, "%s: %s\n", what, strerror(-(int32_t)result));
  exit(1);
}

/* A copy of `length` bytes in the module's memory. */
static u32 put(struct Z_host_instance_t *host, const void *bytes, u32 length) {
  u32 address = Z_coreZ_allocate(host->core, length);
  if (address == 0) abort();
  memcpy(at(host, address), bytes, length);
  return address;
}

int main(int count, char **words) {
  int is_new = count == 3 && strcmp(words[1], "new") == 0;
  if (count != 2 + is_new) return fprintf(stderr, "usage: disk [new] FILE\n"), 2;
  Z_core_instance_t core;
  int disk = open(words[1 + is_new], O_RDWR | (is_new ? O_CREAT | O_TRUNC : 0), 0644);
  if (disk < 0 || (is_new && ftruncate(disk, SECTORS * 512) != 0)) return perror("open"), 1;
  struct Z_host_instance_t host = {&core, disk};
  wasm_rt_init();
  Z_core_init_module();
  Z_core_instantiate(&core, &host);

  if (is_new) {
    uint8_t identity[24]; /* a UUID, and a time */
    if (getrandom(identity, sizeof identity, 0) != sizeof identity) abort();
    u32 given = put(&host, identity, sizeof identity);
    check(Z_coreZ_regionFormat(&core, DEVICE, 0, 0, given, 0, 0, 1, given + 16, 0), "format");
  }
  u32 region = check(Z_coreZ_regionOpen(&core, DEVICE, 0, 0, 0), "open");
  u32 mount = check(Z_coreZ_filesMount(&core, region), "mount");
  u32 path = put(&host, "/hello", 6);
  u32 flags = is_new ? 0x41 : 0; /* to write, made new */
  u32 file = check(Z_coreZ_filesOpen(&core, mount, path, 6, flags, 0644), "open /hello");
  if (is_new) {
    const char *text = "written by a C program\n";
    u32 length = (u32)strlen(text);
    check(Z_coreZ_filesWrite(&core, file, put(&host, text, length), length, 0), "write");
    check(Z_coreZ_filesCommit(&core, mount), "commit"); /* durable from here */
  } else {
    u32 room = Z_coreZ_allocate(&core, 100);
    u32 length = check(Z_coreZ_filesRead(&core, file, room, 100, 0), "read");
    fwrite(at(&host, room), 1, length, stdout);
  }
  check(Z_coreZ_filesClose(&core, file), "close");
  Z_coreZ_filesUnmount(&core, mount);
  check(Z_coreZ_regionClose(&core, region), "close");
  Z_core_free(&core);
  wasm_rt_free();
  return close(disk) == 0 ? 0 : 1;
}
