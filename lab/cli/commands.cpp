#include "ticklab/lab/cli/command.hpp"

namespace ticklab::lab {

std::vector<Command> commands() {
    return {run_command(),     why_command(),      hunt_command(),   merge_command(),  replay_command(),
            shrink_command(),  museum_command(),   bisect_command(), diff_command(),   compare_command(),
            conform_command(), validate_command(), list_command(),   schema_command(), manual_command()};
}

}  // namespace ticklab::lab
