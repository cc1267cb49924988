/**
 * The import module "cap": all that a service can reach. docs/service-abi.md explains each.
 * A result from 0 up is what was asked for; a negative one is a status of abi/codes.
 */
export declare function find(name: usize, length: i32): i32;
export declare function granted(index: i32, out: usize, room: i32): i32;
export declare function drop(handle: i32): i32;
export declare function reason(out: usize, room: i32): i32;
export declare function config_size(): i32;
export declare function config_read(position: i32, out: usize, length: i32): i32;
export declare function sha256(data: usize, length: i32, out: usize): i32;
export declare function console_write(console: i32, text: usize, length: i32): i32;

export declare function dir_list(
  directory: i32,
  after: usize,
  length: i32,
  out: usize,
  room: i32,
): i32;
export declare function dir_open(directory: i32, path: usize, length: i32, flags: i32): i32;
export declare function dir_sub(directory: i32, path: usize, length: i32): i32;
export declare function dir_stat(directory: i32, path: usize, length: i32, out: usize): i32;
export declare function dir_mkdir(directory: i32, path: usize, length: i32): i32;
export declare function dir_remove(directory: i32, path: usize, length: i32): i32;
export declare function dir_rename(
  directory: i32,
  from: usize,
  fromLength: i32,
  to: usize,
  toLength: i32,
): i32;
export declare function dir_sync(directory: i32): i32;

export declare function file_read(file: i32, position: i64, out: usize, length: i32): i32;
export declare function file_write(file: i32, position: i64, data: usize, length: i32): i32;
export declare function file_append(file: i32, data: usize, length: i32): i32;
export declare function file_truncate(file: i32, length: i64): i32;
export declare function file_size(file: i32, out: usize): i32;
export declare function file_sync(file: i32): i32;
export declare function file_close(file: i32): i32;

export declare function store_put(store: i32, data: usize, length: i32, hash: usize): i32;
export declare function store_get(
  store: i32,
  hash: usize,
  position: i64,
  out: usize,
  room: i32,
): i32;
export declare function store_has(store: i32, hash: usize): i32;
export declare function store_size(store: i32, hash: usize, out: usize): i32;
export declare function store_delete(store: i32, hash: usize): i32;
export declare function store_sync(store: i32): i32;
export declare function name_resolve(names: i32, name: usize, length: i32, hash: usize): i32;
export declare function name_bind(names: i32, name: usize, length: i32, hash: usize): i32;

export declare function block_info(device: i32, out: usize): i32;
export declare function block_read(device: i32, first: i64, blocks: i32, out: usize): i32;
export declare function block_write(device: i32, first: i64, blocks: i32, data: usize): i32;
export declare function block_flush(device: i32): i32;
