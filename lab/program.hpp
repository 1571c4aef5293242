// The ticklab program as a function: for a program with timer cores of one's own (docs/write-a-model.md).
//
// Usage: add_data_folder(TICKLAB_DATA_DIR), which find_package(ticklab) defines; register_kernel() with each core; then
// run_program(). Every command knows the core from its declaration.
#pragma once

#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/registry.hpp"

namespace ticklab::lab {

/// Reads the command line, runs what it says, reports what goes wrong. What main() returns.
int run_program(int argc, const char* const* argv);

}  // namespace ticklab::lab
