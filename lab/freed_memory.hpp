// How a program that makes runs by thousands keeps its memory.
#pragma once

namespace ticklab::lab {

/// What a run frees stays with the process for the next one, in place of being given back to the system and zeroed page
/// by page again. For programs, once, before they make threads.
void keep_freed_memory();

}  // namespace ticklab::lab
