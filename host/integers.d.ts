/** Names AssemblyScript's integer types for tsc, so that assembly/format/ compiles in both. */
type u8 = number;
type u16 = number;
type u32 = number;
type i32 = number;
