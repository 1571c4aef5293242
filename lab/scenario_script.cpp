// "script" and "faults" of a scenario.
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_reader.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {

using sim::CpuId;
using sim::Duration;
using sim::Time;
using sim::VerbDecl;

const VerbDecl& ScenarioReader::verb_named(const std::string& word, bool fault, bool& of_machine) const {
    of_machine = true;
    if (const VerbDecl* const verb = find_machine_verb(word))
        return *verb;
    if (fault)
        return *find_machine_verb("cpu." + word);
    of_machine = false;
    return *std::find_if(scenario_.kernel->verbs.begin(), scenario_.kernel->verbs.end(),
                         [&](const VerbDecl& verb) { return verb.name == word; });
}

void ScenarioReader::read_script() {
    const Json& root = source_.root();
    for (const std::string part : {"script", "faults"}) {
        if (!root.contains(part))
            continue;
        const std::vector<SourcePlace> places = source_.element_places("/" + part);
        for (std::size_t i = 0; i < places.size(); ++i)
            read_step(root[part][i], places[i], part == "faults");
    }
    check_stalls();
}

std::optional<Trigger> ScenarioReader::read_trigger(const Json& entry, const std::string& pointer) {
    if (entry.contains("at")) {
        const std::optional<Time> at = instant_of_run(entry, "at", pointer);
        return at ? std::optional<Trigger>(*at) : std::nullopt;
    }
    const Json& when = entry["when"];
    SiteTrigger trigger;
    const std::string& name = when["site"].get_ref<const std::string&>();
    for (const Registry::OwnedSite& owned : registry_.sites())
        if ((owned.kernel == nullptr || owned.kernel == scenario_.kernel) && owned.site->name() == name)
            trigger.site = owned.site;
    if (when.contains("cpu"))
        trigger.cpu = reader_.cpu(when["cpu"], pointer + "/when/cpu", scenario_.machine.cpu_count);
    trigger.nth = static_cast<std::uint64_t>(when.value("nth", std::int64_t{1}));
    return trigger;
}

void ScenarioReader::read_step(const Json& entry, const SourcePlace& place, bool fault) {
    Step step;
    step.place = place;
    step.call.verb = &verb_named(entry["do"], fault, step.of_machine);
    const std::optional<Trigger> trigger = read_trigger(entry, place.pointer);
    if (!trigger)
        return;
    step.trigger = *trigger;
    if (entry.contains("on"))
        step.on = reader_.cpu(entry["on"], place.pointer + "/on", scenario_.machine.cpu_count);
    mentioned_on_ = step.on.value_or(0);
    mentioned_at_ = place;
    const Time* const at = std::get_if<Time>(&step.trigger);
    step.call.arguments = reader_.arguments(entry, place.pointer, step.call.verb->parameters,
                                            context(at != nullptr ? std::optional(*at) : std::nullopt));
    check_step(step);
    check_call(step.call, step.of_machine, place.pointer);
    scenario_.script.push_back(std::move(step));
}

void ScenarioReader::check_call(const sim::VerbCall& call, bool of_machine, const std::string& pointer) {
    if (of_machine || !scenario_.kernel->refuse)
        return;
    std::string_view timer;
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        const sim::ParameterDecl& parameter = call.verb->parameters[i];
        // One that could not be read is an error already, or the schema's.
        if (parameter.required && !call.has(i))
            return;
        if (parameter.type == sim::ValueType::kTimer && call.has(i))
            timer = scenario_.timers[static_cast<std::size_t>(call.get<std::int64_t>(i))].name;
    }
    const std::optional<sim::CallRefusal> refusal = scenario_.kernel->refuse(scenario_.settings, call, timer);
    if (!refusal)
        return;
    const std::string at = pointer_to(pointer, call.verb->parameters[refusal->argument].name);
    const nlohmann::json given = source_.root()[nlohmann::json::json_pointer(at)];
    reader_.refuse(at, shown(given), refusal->expected);
}

void ScenarioReader::check_step(Step& step) {
    const std::string& pointer = step.place.pointer;
    if (!step.of_machine)
        return;
    const VerbDecl& verb = *step.call.verb;
    const std::optional<sim::Value>* const about =
        !verb.parameters.empty() && verb.parameters[0].name == "cpu" ? &step.call.arguments[0] : nullptr;
    const bool known = about != nullptr && about->has_value();
    const CpuId cpu = known ? static_cast<CpuId>(std::get<std::int64_t>(**about)) : sim::kNoCpu;
    // CH 1.3: the control CPU is another one than the target.
    if (verb.context == sim::VerbContext::kControl && step.on && known && *step.on == cpu)
        reader_.refuse(pointer + "/on", fmt::format("CPU {}", *step.on),
                       fmt::format("a CPU other than the one that {} is about", verb.name));
    if (machine_verb_of(verb) != MachineVerb::kCpuHold)
        return;
    SiteTrigger* const site = std::get_if<SiteTrigger>(&step.trigger);
    if (site == nullptr) {
        reader_.refuse(pointer + "/at", R"("at")", R"("when": a CPU is held at a site)");
    } else if (known) {
        if (site->cpu && *site->cpu != cpu)
            reader_.refuse(pointer + "/cpu", fmt::format("CPU {}", cpu),
                           fmt::format("CPU {}, the one that reaches the site", *site->cpu));
        site->cpu = cpu;
    }
}

void ScenarioReader::check_stalls() {
    struct Stall {
        CpuId cpu;
        Time from, until;
        const Step* step;
    };
    std::vector<Stall> stalls;
    for (const Step& step : scenario_.script) {
        const Time* const at = std::get_if<Time>(&step.trigger);
        if (!step.of_machine || machine_verb_of(*step.call.verb) != MachineVerb::kCpuStall || at == nullptr ||
            !step.call.has(0) || !step.call.has(1))
            continue;
        stalls.push_back({static_cast<CpuId>(step.call.get<std::int64_t>(0)), *at,
                          sim::saturating_add(*at, step.call.get<Duration>(1)), &step});
    }
    std::stable_sort(stalls.begin(), stalls.end(), [](const Stall& a, const Stall& b) {
        return std::pair(a.cpu, a.from) < std::pair(b.cpu, b.from);
    });
    for (std::size_t i = 1; i < stalls.size(); ++i) {
        const Stall &before = stalls[i - 1], &after = stalls[i];
        if (before.cpu != after.cpu || after.from >= before.until)
            continue;
        reader_.refuse(after.step->place.pointer + "/at",
                       fmt::format("a stall of CPU {} at {}", after.cpu, duration_text(after.from - sim::kBoot)),
                       fmt::format("none before {}, when the one of {} ends", duration_text(before.until - sim::kBoot),
                                   before.step->place.pointer));
    }
}

}  // namespace ticklab::lab
