#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/lab/why/explain.hpp"

namespace ticklab::lab {
namespace {

struct Options {
    ScenarioOptions scenario;
    std::string timer;
    std::optional<std::uint64_t> nth;
    std::optional<sim::CpuId> cpu;
    std::string at;
    bool json = false;
};

template <class Why>
ExitCode print(const Options& options, const RunInput& input, const Answer<Why>& answer, const std::string& where) {
    if (!answer.value)
        return refuse(where, answer.problem);
    if (!options.json) {
        fmt::print("{}", text_of(*answer.value));
        return ExitCode::kFine;
    }
    nlohmann::ordered_json document{{"scenario", input.scenario.name},
                                    {"file", input.scenario.file},
                                    {"scenario_hash", scenario_hash(input.scenario.text)},
                                    {"seed", input.options.seed},
                                    {"version", TICKLAB_VERSION}};
    document.update(json_of(*answer.value));
    fmt::print("{}", document_text(document));
    return ExitCode::kFine;
}

ExitCode why(const Options& options) {
    if (options.timer.empty() == !options.cpu)
        return refuse("ticklab why", found_expected(options.cpu ? "--timer and --cpu" : "neither --timer nor --cpu",
                                                    "--timer X, or --cpu C with --at T"));
    if (options.cpu && options.at.empty())
        return refuse("--cpu", found_expected("no --at", "an instant such as --at 5ms"));
    sim::Time at = sim::kBoot;
    if (options.cpu) {
        const Parsed<sim::Duration> parsed = parse_duration(options.at);
        if (!parsed.value)
            return refuse("--at", found_expected(in_quotes(options.at), parsed.expected));
        at = sim::kBoot + *parsed.value;
    }
    const std::optional<RunInput> input = options.scenario.load(ScenarioLoader(program_registry()));
    if (!input)
        return ExitCode::kBadInput;
    fmt::print(stderr, "ticklab: {}: seed {}\n", input->scenario.name, input->options.seed);
    try {
        if (options.cpu)
            return print(options, *input, why_awake(input->scenario, input->options, *options.cpu, at),
                         options.scenario.file);
        return print(options, *input, why_timer(input->scenario, input->options, options.timer, options.nth),
                     options.scenario.file);
    } catch (const std::invalid_argument& e) {
        return refuse(options.scenario.file, e.what());
    }
}

}  // namespace

Command why_command() {
    const auto options = std::make_shared<Options>();
    return {
        "why", "Says why a timer was late, or why a CPU woke.",
        [options](CLI::App& app) {
            options->scenario.add_to(app);
            CLI::Option* const timer =
                app.add_option("--timer", options->timer, "Name of the timer")->type_name("NAME");
            app.add_option("--nth", options->nth, "Which of its expiries, from 1; without it the one that was latest")
                ->type_name("NUMBER")
                ->check(CLI::PositiveNumber)
                ->needs(timer);
            CLI::Option* const cpu = app.add_option("--cpu", options->cpu, "The CPU that woke")->type_name("NUMBER");
            app.add_option("--at", options->at,
                           "Instant: the wake-up that ended the sleep at that instant, or else the last before it")
                ->type_name("TIME")
                ->needs(cpu);
            app.add_flag("--json", options->json, "Print one JSON document");
            app.footer(
                "\nExamples:\n  ticklab why scenarios/xen/range-2008.json --timer first\n"
                "  ticklab why scenarios/xen/range-2008.json --cpu 1 --at 10.1ms");
        },
        [options] { return why(*options); }};
}

}  // namespace ticklab::lab
