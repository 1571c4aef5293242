#include "ticklab/lab/scenario_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/sim/change_set.hpp"

namespace ticklab::lab {

using sim::CpuId;
using sim::Duration;
using sim::Time;

ScenarioReader::ScenarioReader(const Registry& registry, const JsonSource& source, Scenario& scenario,
                               std::vector<InputError>& errors)
    : registry_(registry), source_(source), scenario_(scenario), reader_(source, errors) {}

ReadContext ScenarioReader::context(std::optional<Time> moment) { return {scenario_.machine.cpu_count, moment, this}; }

sim::TimerIndex ScenarioReader::index_of(const std::string& name) {
    const auto [at, is_new] = timers_.emplace(name, static_cast<sim::TimerIndex>(scenario_.timers.size()));
    if (is_new)
        scenario_.timers.push_back({name, mentioned_on_, {}, mentioned_at_});
    return at->second;
}

void ScenarioReader::read_head() {
    const Json& root = source_.root();
    scenario_.name = root["name"];
    scenario_.about = root.value("about", std::string());
    scenario_.max_steps = static_cast<std::uint64_t>(root.value("max_steps", kDefaultMaxSteps));
    scenario_.machine.seed = static_cast<std::uint64_t>(root.value("seed", std::int64_t{1}));
    const std::optional<Duration> duration = reader_.duration(root["duration"], "/duration");
    if (duration == Duration::zero())
        reader_.refuse("/duration", shown(root["duration"]), "a duration above 0s");
    // A wrong duration is one error, not one for each instant after it.
    scenario_.duration = duration.value_or(Duration::max());
    for (const Json& name : root.value("locks", Json::array())) {
        const std::string& lock = name.get_ref<const std::string&>();
        if (std::find(scenario_.locks.begin(), scenario_.locks.end(), lock) != scenario_.locks.end())
            reader_.refuse(pointer_to("/locks", scenario_.locks.size()), shown(name), "each name once");
        scenario_.locks.push_back(lock);
    }
}

void ScenarioReader::read_kernel() {
    const Json& kernel = source_.root()["kernel"];
    sim::KernelDecl::Settings& settings = scenario_.settings;
    settings.options = reader_.arguments(kernel, "/kernel", scenario_.kernel->options, context(std::nullopt));
    settings.version = kernel.value("version", std::string(scenario_.kernel->versions.back()));
    settings.without = kernel.value("without", std::vector<std::string>());
    settings.with = kernel.value("with", std::vector<std::string>());
    check_changes(kernel);
    const Json& root = source_.root();
    if (root.contains("museum"))
        scenario_.museum =
            MuseumEntry{root["museum"]["change"], root["museum"]["expect"], root["museum"].value("free", true)};
}

void ScenarioReader::check_changes(const Json& kernel) {
    const sim::KernelDecl::Settings& settings = scenario_.settings;
    for (std::size_t i = 0; i < settings.with.size(); ++i)
        if (std::find(settings.without.begin(), settings.without.end(), settings.with[i]) != settings.without.end())
            return reader_.refuse(pointer_to("/kernel/with", i), shown(kernel["with"][i]),
                                  "each change in one of \"with\" and \"without\"");
    const sim::KernelDecl& decl = *scenario_.kernel;
    const sim::ChangesInForce in_force = sim::changes_in_force(decl.changes, decl.versions, settings);
    if (!in_force.clash)
        return;
    const auto asked_for = std::find(settings.with.begin(), settings.with.end(), in_force.clash->id);
    reader_.refuse(asked_for == settings.with.end()
                       ? "/kernel"
                       : pointer_to("/kernel/with", static_cast<std::size_t>(asked_for - settings.with.begin())),
                   in_quotes(in_force.clash->id), in_force.clash->expected());
}

void ScenarioReader::read_timers() {
    const Json& root = source_.root();
    if (!root.contains("timers"))
        return;
    const Json& entries = root["timers"];
    const std::vector<SourcePlace> places = source_.element_places("/timers");
    // All are named before any callback mentions one.
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string name = entries[i]["name"];
        if (timers_.contains(name))
            reader_.refuse(places[i].pointer + "/name", in_quotes(name), "each timer once");
        mentioned_on_ = 0;
        mentioned_at_ = places[i];
        const sim::TimerIndex index = index_of(name);
        if (entries[i].contains("cpu"))
            scenario_.timers[index].cpu =
                reader_.cpu(entries[i]["cpu"], places[i].pointer + "/cpu", scenario_.machine.cpu_count).value_or(0);
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!entries[i].contains("callback"))
            continue;
        const Json& entry = entries[i]["callback"];
        const std::string pointer = places[i].pointer + "/callback";
        const sim::TimerIndex index = timers_.at(entries[i]["name"]);
        CallbackScript callback;
        if (entry.contains("spend"))
            callback.spend = reader_.duration(entry["spend"], pointer + "/spend").value_or(Duration::zero());
        if (entry.contains("rearm"))
            callback.rearm = reader_.duration(entry["rearm"], pointer + "/rearm");
        callback.lock = entry.value("lock", std::string());
        if (!callback.lock.empty() &&
            std::find(scenario_.locks.begin(), scenario_.locks.end(), callback.lock) == scenario_.locks.end()) {
            const std::vector<std::string_view> locks(scenario_.locks.begin(), scenario_.locks.end());
            reader_.refuse(pointer + "/lock", shown(entry["lock"]), "a name of \"locks\"",
                           nearest_word(callback.lock, locks));
        }
        mentioned_on_ = scenario_.timers[index].cpu;
        mentioned_at_ = places[i];
        const Json none = Json::array();
        const Json& then = entry.contains("then") ? entry["then"] : none;
        for (std::size_t k = 0; k < then.size(); ++k) {
            bool of_machine = false;
            sim::VerbCall call;
            call.verb = &verb_named(then[k]["do"], false, of_machine);
            call.arguments = reader_.arguments(then[k], pointer_to(pointer + "/then", k), call.verb->parameters,
                                               context(std::nullopt));
            check_call(call, of_machine, pointer_to(pointer + "/then", k));
            callback.then.push_back(std::move(call));
        }
        scenario_.timers[index].callback = std::move(callback);
    }
}

std::optional<Time> ScenarioReader::instant_of_run(const Json& entry, std::string_view key,
                                                   const std::string& pointer) {
    const std::string at = pointer_to(pointer, key);
    const Json& given = entry[std::string(key)];
    const std::optional<Time> instant = reader_.instant(given, at);
    if (!instant || *instant <= sim::kBoot + scenario_.duration)
        return instant;
    reader_.refuse(at, shown(given),
                   fmt::format("a time within the duration of {}", duration_text(scenario_.duration)));
    return std::nullopt;
}

void ScenarioReader::read_load() {
    const Json& root = source_.root();
    if (!root.contains("load"))
        return;
    const std::vector<SourcePlace> places = source_.element_places("/load");
    for (std::size_t i = 0; i < places.size(); ++i) {
        const Json& entry = root["load"][i];
        const std::string& pointer = places[i].pointer;
        Load load;
        load.place = places[i];
        load.generator = find_load(entry["do"].get_ref<const std::string&>());
        const CpuId cpu_count = scenario_.machine.cpu_count;
        const Json cpus = entry.value("cpus", Json(fmt::format("0-{}", cpu_count - 1)));
        Parsed<std::vector<CpuId>> parsed = parse_cpu_list(cpus, cpu_count);
        if (parsed.value)
            load.cpus = *std::move(parsed.value);
        else
            reader_.refuse(pointer + "/cpus", shown(cpus), parsed.expected);
        if (entry.contains("from"))
            load.from = instant_of_run(entry, "from", pointer).value_or(load.from);
        if (entry.contains("until"))
            load.until = instant_of_run(entry, "until", pointer).value_or(load.until);
        if (load.until <= load.from)
            reader_.refuse(pointer + "/until", shown(entry["until"]),
                           fmt::format("a time after {} (\"from\")", duration_text(load.from - sim::kBoot)));
        read_load_arguments(entry, load);
        scenario_.load.push_back(std::move(load));
    }
}

void ScenarioReader::read_load_arguments(const Json& entry, Load& load) {
    for (const LoadParameterDecl& parameter : load.generator->parameters) {
        auto& argument = load.arguments.emplace_back();
        const std::string pointer = pointer_to(load.place.pointer, parameter.name);
        const auto member = entry.find(parameter.name);
        if (member == entry.end() && parameter.default_text.empty())
            continue;
        const bool count = parameter.type == LoadValueType::kCount;
        const std::string text(parameter.default_text);
        const Json given = member != entry.end() ? *member : count ? Json(std::stoll(text)) : Json(text);
        const auto take = [&](auto parsed) {
            if (parsed.value)
                argument = *parsed.value;
            else
                reader_.refuse(pointer, shown(given), parsed.expected);
        };
        Duration shortest = Duration::max();
        switch (parameter.type) {
            case LoadValueType::kCount:
                argument = given.get<std::int64_t>();
                break;
            case LoadValueType::kRate:
                take(parse_rate(given.get_ref<const std::string&>()));
                break;
            case LoadValueType::kProbability:
                take(parse_probability(given));
                break;
            case LoadValueType::kDuration:
                take(parse_duration(given.get_ref<const std::string&>()));
                if (argument)
                    shortest = std::get<Duration>(*argument);
                break;
            case LoadValueType::kDistribution:
                take(parse_distribution(given));
                if (argument)
                    shortest = std::max(std::get<Distribution>(*argument).low, std::get<Distribution>(*argument).high);
                break;
        }
        if (shortest < Duration{parameter.min})
            reader_.refuse(pointer, shown(given), "a duration above 0s");
    }
}

void ScenarioReader::read_expectations() {
    const Json& root = source_.root();
    if (!root.contains("expect"))
        return;
    const std::vector<SourcePlace> places = source_.element_places("/expect");
    for (std::size_t i = 0; i < places.size(); ++i) {
        const Json& entry = root["expect"][i];
        if (entry.contains("timer"))
            read_timer_expectation(entry, places[i]);
        else if (entry.contains("state"))
            read_state_expectation(entry, places[i]);
        else
            scenario_.expect.emplace_back(VerdictExpectation{entry["verdict"], places[i]});
    }
}

void ScenarioReader::read_timer_expectation(const Json& entry, const SourcePlace& place) {
    const std::string& pointer = place.pointer;
    const std::string& name = entry["timer"].get_ref<const std::string&>();
    const auto timer = timers_.find(name);
    if (timer == timers_.end()) {
        std::vector<std::string_view> names;
        for (const auto& [known, index] : timers_)
            names.push_back(known);
        reader_.refuse(pointer + "/timer", in_quotes(name), "a timer that the scenario mentions",
                       nearest_word(name, names));
        return;
    }
    TimerExpectation expectation;
    expectation.timer = timer->second;
    expectation.place = place;
    if (entry.size() == 1)
        reader_.refuse(pointer, "an expectation of nothing", R"(one of "fires_on", "fires", "late", "fires_at")");
    if (entry.contains("fires_on"))
        expectation.fires_on = reader_.cpu(entry["fires_on"], pointer + "/fires_on", scenario_.machine.cpu_count);
    if (entry.contains("fires")) {
        const Json& fires = entry["fires"];
        CountRange range;
        if (fires.is_object() && fires.contains("min"))
            range.min = fires["min"].get<std::uint64_t>();
        if (fires.is_object() && fires.contains("max"))
            range.max = fires["max"].get<std::uint64_t>();
        if (!fires.is_object())
            range.min = range.max = fires.get<std::uint64_t>();
        if (range.min > range.max && range.max)
            reader_.refuse(pointer + "/fires", "a minimum above the maximum", "the lower one as minimum");
        expectation.fires = range;
    }
    if (entry.contains("late")) {
        DurationRange range;
        if (entry["late"].contains("min"))
            range.min = reader_.duration(entry["late"]["min"], pointer + "/late/min");
        if (entry["late"].contains("max"))
            range.max = reader_.duration(entry["late"]["max"], pointer + "/late/max");
        if (range.max && range.min > range.max)
            reader_.refuse(pointer + "/late", "a minimum above the maximum", "the lower one as minimum");
        expectation.late = range;
    }
    if (entry.contains("fires_at")) {
        const Json& at = entry["fires_at"];
        if (at.is_string()) {
            expectation.fires_at_min = expectation.fires_at_max = reader_.instant(at, pointer + "/fires_at");
        } else {
            if (at.contains("min"))
                expectation.fires_at_min = reader_.instant(at["min"], pointer + "/fires_at/min");
            if (at.contains("max"))
                expectation.fires_at_max = reader_.instant(at["max"], pointer + "/fires_at/max");
            if (expectation.fires_at_max && expectation.fires_at_min > expectation.fires_at_max)
                reader_.refuse(pointer + "/fires_at", "a minimum above the maximum", "the lower one as minimum");
        }
    }
    scenario_.expect.emplace_back(std::move(expectation));
}

void ScenarioReader::read_state_expectation(const Json& entry, const SourcePlace& place) {
    StateExpectation expectation;
    expectation.place = place;
    expectation.path = entry["state"];
    if (entry.contains("at"))
        expectation.at = instant_of_run(entry, "at", place.pointer).value_or(sim::kNever);
    for (const auto& [key, field] : {std::pair{"is", &StateExpectation::is}, std::pair{"min", &StateExpectation::min},
                                     std::pair{"max", &StateExpectation::max}})
        if (entry.contains(key))
            expectation.*field = entry[key].get<std::int64_t>();
    if (!expectation.is && !expectation.min && !expectation.max)
        reader_.refuse(place.pointer, "an expectation of nothing", R"(one of "is", "min", "max")");
    if (expectation.min && expectation.max && *expectation.min > *expectation.max)
        reader_.refuse(place.pointer, "a minimum above the maximum", "the lower one as minimum");
    if (state_is_declared(expectation.path, place.pointer + "/state"))
        scenario_.expect.emplace_back(std::move(expectation));
}

bool ScenarioReader::state_is_declared(const std::string& path, const std::string& pointer) {
    // Numbers become "*"; those of CPUs are checked.
    std::string general;
    for (std::size_t i = 0; i < path.size();) {
        if (path[i] < '0' || path[i] > '9') {
            general += path[i++];
            continue;
        }
        const std::size_t start = i;
        while (i < path.size() && path[i] >= '0' && path[i] <= '9')
            ++i;
        const std::string number = path.substr(start, i - start);
        if (general.ends_with("cpu") && (number.size() > 5 || std::stoul(number) >= scenario_.machine.cpu_count)) {
            reader_.refuse(pointer, in_quotes(path),
                           fmt::format("a CPU below {} (machine.cpus)", scenario_.machine.cpu_count));
            return false;
        }
        general += '*';
    }
    std::vector<std::string_view> patterns;
    for (const sim::StateDecl& state : scenario_.kernel->states) {
        if (state.pattern == general || state.pattern == path)
            return true;
        patterns.push_back(state.pattern);
    }
    reader_.refuse(pointer, in_quotes(path),
                   patterns.empty() ? "no state: this kernel declares none"
                                    : fmt::format("a declared state (* is a number): {}", one_of(patterns)),
                   nearest_word(general, patterns));
    return false;
}

}  // namespace ticklab::lab
