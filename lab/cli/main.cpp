#include <filesystem>

#include "ticklab/lab/freed_memory.hpp"
#include "ticklab/lab/program.hpp"

namespace {

/// Installed, the program finds its data by its own place, wherever the prefix went. In a build tree there are none.
void add_installed_data() {
    std::error_code error;
    const std::filesystem::path program = std::filesystem::canonical("/proc/self/exe", error);
    if (!error)
        ticklab::lab::add_data_folder((program.parent_path() / TICKLAB_DATA_FROM_PROGRAM).lexically_normal().string());
}

}  // namespace

int main(int argc, char** argv) {
    ticklab::lab::keep_freed_memory();
    add_installed_data();
    return ticklab::lab::run_program(argc, argv);
}
