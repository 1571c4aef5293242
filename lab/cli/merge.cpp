#include <fmt/format.h>

#include <memory>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/hunt_report.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

struct MergeOptions {
    std::vector<std::string> files;
    std::string out;
    bool json = false;
};

ExitCode merge(const MergeOptions& options) {
    std::vector<HuntFile> shards;
    for (const std::string& name : options.files) {
        shards.push_back(read_hunt_file(name));
        if (!shards.back().problem.empty())
            return refuse(name, shards.back().problem);
    }
    const HuntFile whole = merge_hunts(std::move(shards));
    if (!whole.problem.empty())
        return refuse("ticklab merge", whole.problem);
    if (!options.out.empty())
        write_whole_file(options.out, document_text(whole.document));
    if (options.json) {
        fmt::print("{}", document_text(whole.document));
    } else {
        for (const HuntJson& failure : whole.document["failures"])
            fmt::print("{}", failure_text(failure));
        fmt::print("{}", summary_text(whole.document));
    }
    return exit_code_of(whole.result);
}

}  // namespace

Command merge_command() {
    const auto options = std::make_shared<MergeOptions>();
    return {
        "merge", "Joins the results of all shards of a hunt into one.",
        [options](CLI::App& app) {
            app.add_option("FILES", options->files, "What hunt --shard --out has written, in any order")
                ->type_name("FILE...")
                ->required();
            app.add_option("--out", options->out, "Write the joint result to this file, as JSON")->type_name("FILE");
            app.add_flag("--json", options->json, "Print one JSON document");
            app.footer(
                "\nExample:\n  ticklab hunt my-scenario.json --shard 1/2 --out 1.json\n"
                "  ticklab hunt my-scenario.json --shard 2/2 --out 2.json\n  ticklab merge 1.json 2.json");
        },
        [options] { return merge(*options); }};
}

}  // namespace ticklab::lab
