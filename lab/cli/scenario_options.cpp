#include "ticklab/lab/cli/scenario_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

constexpr std::uint64_t kDefaultSeed = 1;

/// Nothing, and one more error, if an option is there that a bundle has no use for.
std::optional<RunInput> bundle_input(const ScenarioOptions& options, const ScenarioLoader& loader,
                                     const JsonSource& source, std::vector<InputError>& errors) {
    const char* const needless = options.seed                 ? "--seed"
                                 : !options.overrides.empty() ? "--set"
                                 : !options.schedule.empty()  ? "--schedule"
                                                              : nullptr;
    if (needless) {
        errors.push_back(file_error(needless, found_expected("a bundle", "a scenario: a bundle says it all")));
        return std::nullopt;
    }
    std::optional<Bundle> bundle = read_bundle(source, errors);
    std::optional<Scenario> scenario = bundle ? load_scenario(loader, *bundle, source.file(), errors) : std::nullopt;
    if (!scenario)
        return std::nullopt;
    return RunInput{*std::move(scenario), bundle->scenario, replay_options(*bundle), shell_quoted(options.file),
                    std::move(bundle)};
}

std::optional<RunInput> scenario_input(const ScenarioOptions& options, const ScenarioLoader& loader, JsonSource source,
                                       std::vector<InputError>& errors) {
    ExperimentOptions run;
    run.seed = options.seed.value_or(kDefaultSeed);
    if (!options.schedule.empty()) {
        Parsed<Schedule> schedule = parse_schedule(options.schedule);
        if (!schedule.value) {
            errors.push_back(file_error("--schedule", found_expected(in_quotes(options.schedule), schedule.expected)));
            return std::nullopt;
        }
        run.schedule = std::move(schedule.value);
    }
    std::optional<Scenario> scenario = loader.load_text(source.file(), source.text(), options.overrides, errors);
    if (!scenario)
        return std::nullopt;
    source.override_values(options.overrides, errors);
    return RunInput{*std::move(scenario), source.root(), std::move(run), options.command_line(), std::nullopt};
}

}  // namespace

void add_scenario_argument(CLI::App& app, std::string& file) {
    app.add_option("SCENARIO", file, "Scenario file, or - for the standard input")->type_name("FILE")->required();
}

void add_overrides(CLI::App& app, std::vector<std::string>& overrides) {
    app.add_option(
           "--set", overrides,
           "Put a value in place of the file's: /pointer=value or dotted.path=value; null leaves the place out; "
           "may be repeated")
        ->type_name("PATH=VALUE")
        ->take_all()
        ->allow_extra_args(false);
}

void add_seeds(CLI::App& app, std::string& seeds) {
    app.add_option("--seeds", seeds, "Seeds A..B, both included")->type_name("A..B")->capture_default_str();
}

void add_jobs(CLI::App& app, unsigned& jobs) {
    app.add_option("--jobs", jobs, "Runs at a time; what is found does not depend on it")
        ->check(CLI::Range(1u, 1024u))
        ->default_str("one a processor");
}

unsigned default_jobs() { return std::max(1u, std::thread::hardware_concurrency()); }

Parsed<SeedRange> parse_seeds(std::string_view text) {
    const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
    };
    const std::size_t dots = text.find("..");
    const std::optional<std::uint64_t> first = number(text.substr(0, dots));
    const std::optional<std::uint64_t> last = dots == std::string_view::npos ? first : number(text.substr(dots + 2));
    if (!first || !last || *first > *last)
        return {std::nullopt, "two seeds such as 1..1000, or one"};
    return {SeedRange{*first, *last}, {}};
}

void ScenarioOptions::add_to(CLI::App& app) {
    app.add_option("SCENARIO", file, "Scenario file, a bundle, or - for the standard input")
        ->type_name("FILE")
        ->required();
    app.add_option("--seed", seed, "Seed of everything that the scenario leaves open")
        ->type_name("NUMBER")
        ->default_str(std::to_string(kDefaultSeed));
    add_overrides(app, overrides);
    app.add_option("--schedule", schedule,
                   "Stall CPUs and break ties at these places, as a hunt has found it: pct@17+4812 or places such "
                   "as stall@17=300us,tie@4=1")
        ->type_name("PLACES");
}

std::optional<RunInput> ScenarioOptions::load(const ScenarioLoader& loader) const {
    std::vector<InputError> errors;
    std::optional<RunInput> input;
    if (std::optional<JsonSource> source = JsonSource::read(file, errors))
        input = looks_like_bundle(*source) ? bundle_input(*this, loader, *source, errors)
                                           : scenario_input(*this, loader, *std::move(source), errors);
    print_errors(errors);
    return input;
}

std::string ScenarioOptions::command_line() const {
    std::string line = fmt::format("{} --seed {}", shell_quoted(file), seed.value_or(kDefaultSeed));
    for (const std::string& set : overrides)
        line += " --set " + shell_quoted(set);
    if (!schedule.empty())
        line += " --schedule " + shell_quoted(schedule);
    return line;
}

ExitCode refuse(const std::string& where, const std::string& message) {
    const InputError error = file_error(where, message);
    print_errors({&error, 1});
    return ExitCode::kBadInput;
}

}  // namespace ticklab::lab
