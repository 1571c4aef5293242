#include "ticklab/lab/schema.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "ticklab/lab/hunt/swarm.hpp"
#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/machine_options.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/machine_costs.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;
using sim::KernelDecl;
using sim::ParameterDecl;
using sim::ValueType;
using sim::VerbContext;
using sim::VerbDecl;

constexpr int kMaxName = 64;

Json reference(std::string_view definition) { return {{"$ref", fmt::format("#/definitions/{}", definition)}}; }

Json described(Json schema, std::string_view help) {
    schema["description"] = help;
    return schema;
}

Json integer_between(std::int64_t min, std::int64_t max) {
    Json schema{{"type", "integer"}};
    if (min != INT64_MIN)
        schema["minimum"] = min;
    if (max != INT64_MAX)
        schema["maximum"] = max;
    return schema;
}

Json name_text(std::string_view title) {
    return {{"type", "string"}, {"title", title}, {"minLength", 1}, {"maxLength", kMaxName}};
}

Json type_schema(const ParameterDecl& p) {
    switch (p.type) {
        case ValueType::kInteger:
            return integer_between(p.min, p.max);
        case ValueType::kBool:
            return {{"type", "boolean"}};
        case ValueType::kDuration:
            return reference("duration");
        case ValueType::kTime:
            return reference("time");
        case ValueType::kCpu:
            return reference("cpu");
        case ValueType::kTimer:
            return reference("timer");
        case ValueType::kWord:
            return {{"enum", p.words}};
        case ValueType::kText:
            return {{"type", "string"}};
    }
    return {};
}

Json parameter_schema(const ParameterDecl& p) {
    Json schema = described(type_schema(p), p.help);
    if (!p.default_text.empty())
        schema["default"] = default_value(p);
    return schema;
}

Json load_parameter_schema(const LoadParameterDecl& p) {
    constexpr std::array<std::string_view, 5> kDefinitions{"", "rate", "probability", "duration", "distribution"};
    Json schema = p.type == LoadValueType::kCount ? integer_between(p.min, p.max)
                                                  : reference(kDefinitions[static_cast<std::size_t>(p.type)]);
    schema["description"] = p.help;
    if (!p.default_text.empty())
        schema["default"] =
            p.type == LoadValueType::kCount ? Json(std::stoll(std::string(p.default_text))) : Json(p.default_text);
    return schema;
}

/// An object of the given members and no others.
Json object_of(Json properties, const std::vector<std::string_view>& required) {
    Json schema{{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty())
        schema["required"] = required;
    schema["additionalProperties"] = false;
    return schema;
}

Json array_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json if_then(Json condition, Json consequence) {
    return {{"if", std::move(condition)}, {"then", std::move(consequence)}};
}

Json if_do(std::string_view word) { return {{"properties", {{"do", {{"const", word}}}}}, {"required", {"do"}}}; }

/// Exactly one of the members must be there.
Json exactly_one(std::initializer_list<std::string_view> names) {
    Json alternatives = Json::array();
    for (const std::string_view name : names)
        alternatives.push_back({{"required", {name}}});
    return alternatives;
}

void add_parameters(Json& properties, std::vector<std::string_view>& required, std::span<const ParameterDecl> decls) {
    for (const ParameterDecl& p : decls) {
        properties[std::string(p.name)] = parameter_schema(p);
        if (p.required)
            required.push_back(p.name);
    }
}

/// Which members an entry has beside its verb's arguments.
enum class Around : std::uint8_t { kStep, kCall };

Json verb_object(const VerbDecl& verb, Around around, std::string_view when) {
    Json properties = Json::object();
    std::vector<std::string_view> required;
    if (around == Around::kStep) {
        properties["at"] = described(reference("time"), "When, since boot.");
        properties["when"] = reference(when);
        if (verb.context != VerbContext::kMachine)
            properties["on"] = described(reference("cpu"), "The CPU that performs it.");
    }
    properties["do"] = Json::object();
    add_parameters(properties, required, verb.parameters);
    Json schema = object_of(std::move(properties), required);
    schema["description"] = verb.help;
    if (around == Around::kStep)
        schema["oneOf"] = exactly_one({"at", "when"});
    return schema;
}

struct VerbWord {
    std::string_view word;
    const VerbDecl* verb;
};

Json verb_choice(const std::vector<VerbWord>& words, Around around, std::string_view when) {
    Json names = Json::array(), cases = Json::array();
    for (const VerbWord& w : words) {
        names.push_back(w.word);
        cases.push_back(if_then(if_do(w.word), verb_object(*w.verb, around, when)));
    }
    return {{"type", "object"},
            {"required", {"do"}},
            {"properties", {{"do", {{"title", "a verb"}, {"enum", std::move(names)}}}}},
            {"allOf", std::move(cases)}};
}

std::vector<VerbWord> step_words(const KernelDecl& kernel) {
    std::vector<VerbWord> words;
    for (const VerbDecl& verb : machine_verbs())
        words.push_back({verb.name, &verb});
    for (const VerbDecl& verb : kernel.verbs)
        words.push_back({verb.name, &verb});
    return words;
}

/// In "faults" the machine's verbs about CPUs may drop their "cpu.".
std::vector<VerbWord> fault_words() {
    std::vector<VerbWord> words;
    for (const VerbDecl& verb : machine_verbs()) {
        words.push_back({verb.name, &verb});
        if (verb.name.starts_with("cpu."))
            words.push_back({verb.name.substr(4), &verb});
    }
    return words;
}

std::vector<VerbWord> callback_words(const KernelDecl& kernel) {
    std::vector<VerbWord> words;
    for (const VerbDecl& verb : kernel.verbs)
        if (verb.context == VerbContext::kThread || verb.context == VerbContext::kIrq)
            words.push_back({verb.name, &verb});
    return words;
}

Json range_of(Json bound, Json alternative_type, std::string_view title) {
    Json schema{{"type", {std::move(alternative_type), "object"}}, {"title", title}};
    schema["properties"] = {{"min", bound}, {"max", bound}};
    schema["minProperties"] = 1;
    schema["additionalProperties"] = false;
    return schema;
}

Json common_definitions() {
    Json d;
    d["duration"] = {{"type", "string"},
                     {"title", R"(a duration such as "250us")"},
                     {"pattern", R"(^[0-9]+(\.[0-9]+)?(ps|ns|us|ms|s)$)"}};
    d["time"] = {{"type", "string"},
                 {"title", R"(a time such as "5ms")"},
                 {"pattern", R"(^\+?[0-9]+(\.[0-9]+)?(ps|ns|us|ms|s)$)"}};
    d["rate"] = {{"type", "string"},
                 {"title", R"(a rate such as "20k/s")"},
                 {"pattern", R"(^[0-9]+(\.[0-9]+)?[kMG]?/(s|ms|us)$)"}};
    d["probability"] = {{"type", {"number", "string"}},
                        {"title", R"(a probability such as 0.9 or "90%")"},
                        {"minimum", 0},
                        {"maximum", 1},
                        {"pattern", R"(^[0-9]+(\.[0-9]+)?%?$)"}};
    d["distribution"] = {{"type", {"string", "object"}},
                         {"title", R"(a duration, {"exp": MEAN} or {"uniform": [LOW, HIGH]})"},
                         {"properties",
                          {{"exp", reference("duration")},
                           {"uniform",
                            {{"type", "array"},
                             {"title", "an array of two durations"},
                             {"items", reference("duration")},
                             {"minItems", 2},
                             {"maxItems", 2}}}}},
                         {"minProperties", 1},
                         {"maxProperties", 1},
                         {"additionalProperties", false}};
    d["cpu"] = {{"type", "integer"},
                {"title", "the number of a CPU"},
                {"minimum", 0},
                {"maximum", static_cast<std::int64_t>(sim::kMaxCpuCount) - 1}};
    d["cpu_list"] = {{"type", {"string", "integer"}},
                     {"title", R"(a list of CPUs such as "0-7,9")"},
                     {"pattern", "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"}};
    d["timer"] = name_text("the name of a timer");
    return d;
}

Json c_states_schema() {
    Json properties = Json::object();
    std::vector<std::string_view> required;
    add_parameters(properties, required, c_state_parameters());
    Json schema = array_of(object_of(std::move(properties), required));
    schema["description"] = "Idle states, the shallowest first.";
    schema["minItems"] = 1;
    schema["maxItems"] = 16;
    return schema;
}

Json machine_properties() {
    Json properties;
    for (const MachineOption& option : machine_options())
        properties[std::string(option.decl.name)] = parameter_schema(option.decl);
    properties["c_states"] = c_states_schema();
    properties["costs"] =
        described(name_text("the name or file of a cost table"), "Cost table: a name in scenarios/costs, or a file.");
    return properties;
}

Json machine_schema(const Registry& registry) {
    Json properties;
    properties["profile"] =
        described(name_text("the name or file of a machine profile"),
                  "Machine profile: a name in scenarios/machines, or a file. Options given here override it.");
    properties["profile"]["default"] = "client";
    properties.update(machine_properties());
    Json prices = Json::object();
    for (const sim::CostDecl& cost : registry.costs())
        prices[std::string(cost.name)] = described(integer_between(1, kMaxPriceCycles), cost.help);
    properties["prices"] = object_of(std::move(prices), {});
    properties["prices"]["description"] = "Prices in cycles, in place of the cost table's.";
    return object_of(std::move(properties), {});
}

Json load_schema() {
    Json names = Json::array(), cases = Json::array();
    for (const LoadDecl& load : load_decls()) {
        names.push_back(load.name);
        Json properties;
        std::vector<std::string_view> required;
        properties["do"] = Json::object();
        properties["cpus"] = described(reference("cpu_list"), "The CPUs that it is about; all without it.");
        properties["from"] = described(reference("time"), "When it starts; at boot without it.");
        properties["until"] = described(reference("time"), "When it ends; with the run without it.");
        for (const LoadParameterDecl& p : load.parameters) {
            properties[std::string(p.name)] = load_parameter_schema(p);
            if (p.required)
                required.push_back(p.name);
        }
        Json object = object_of(std::move(properties), required);
        object["description"] = load.help;
        cases.push_back(if_then(if_do(load.name), std::move(object)));
    }
    return {{"type", "object"},
            {"required", {"do"}},
            {"properties", {{"do", {{"title", "a load generator"}, {"enum", std::move(names)}}}}},
            {"allOf", std::move(cases)}};
}

Json change_ids(const KernelDecl& kernel) {
    Json ids = Json::array();
    for (const sim::ChangeDecl& change : kernel.changes)
        ids.push_back(change.id);
    return ids;
}

Json kernel_schema(const KernelDecl& kernel) {
    Json properties;
    properties["type"] = {{"const", kernel.name}};
    properties["version"] = {
        {"title", "a version of this kernel"}, {"enum", kernel.versions}, {"default", kernel.versions.back()}};
    const Json ids = change_ids(kernel);
    for (const std::string_view list : {"without", "with"}) {
        Json item = ids.empty() ? Json{{"type", "string"}} : Json{{"title", "the id of a change"}, {"enum", ids}};
        properties[std::string(list)] = array_of(std::move(item));
        if (ids.empty())
            properties[std::string(list)]["maxItems"] = 0;
    }
    properties["without"]["description"] = "Changes that the version has and this kernel shall not.";
    properties["with"]["description"] = "Changes that the version does not have and this kernel shall.";
    std::vector<std::string_view> required{"type"};
    add_parameters(properties, required, kernel.options);
    Json schema = object_of(std::move(properties), required);
    schema["description"] = kernel.help;
    return schema;
}

Json when_schema(const Registry& registry, const KernelDecl& kernel) {
    Json names = Json::array();
    for (const Registry::OwnedSite& owned : registry.sites())
        if (owned.kernel == nullptr || owned.kernel == &kernel)
            names.push_back(owned.site->name());
    return described(
        object_of({{"site", {{"title", "a site"}, {"enum", std::move(names)}}},
                   {"cpu", described(reference("cpu"), "The CPU that reaches it; any without this.")},
                   {"nth", described(integer_between(1, INT64_MAX), "Which time; the first without this.")}},
                  {"site"}),
        "The step is taken when a CPU reaches a site.");
}

Json timer_plan_schema(std::string_view call) {
    Json callback = object_of(
        {{"spend", described(reference("duration"), "CPU time that it takes.")},
         {"rearm", described(reference("duration"), "It arms itself again, this long after the present.")},
         {"then", described(array_of(reference(call)), "Verbs of the kernel that it performs.")},
         {"lock", described(name_text("the name of a lock"), "A lock of the scenario that it holds meanwhile.")}},
        {});
    return object_of({{"name", reference("timer")},
                      {"cpu", described(reference("cpu"), "Its owner at initialisation; CPU 0 without this.")},
                      {"callback", std::move(callback)}},
                     {"name"});
}

Json museum_schema(const Registry& registry, const KernelDecl& kernel) {
    Json outcomes = registry.check_names(kernel);
    outcomes.push_back(MuseumEntry::kExpectationFails);
    return object_of(
        {{"change",
          {{"title", "the id of a change"}, {"enum", change_ids(kernel)}, {"description", "What is left out."}}},
         {"expect",
          {{"title", "a check, or \"expectation\""},
           {"enum", std::move(outcomes)},
           {"description", "The check that fails then, or that an expectation does."}}},
         {"free",
          {{"type", "boolean"},
           {"description",
            "Whether the script keeps to the rules of callers without its holds and stalls; true without this."}}}},
        {"change", "expect"});
}

Json expectation_schema(const Registry& registry, const KernelDecl& kernel) {
    Json names = registry.check_names(kernel);
    Json late = range_of(reference("duration"), "object", R"({"min": DURATION, "max": DURATION})");
    late["type"] = "object";
    Json schema = object_of(
        {{"timer", described(reference("timer"), "A timer of the scenario, over the whole run.")},
         {"fires_on", described(reference("cpu"), "The CPU of its last firing.")},
         {"fires", described(range_of(integer_between(0, INT64_MAX), "integer", R"(a number or {"min": N, "max": N})"),
                             "Number of its firings.")},
         {"late", described(late, "Lateness of each firing.")},
         {"fires_at", described(range_of(reference("time"), "string", R"(a time or {"min": TIME, "max": TIME})"),
                                "Instant of its first firing.")},
         {"at", described(reference("time"), "When the state is looked at; at the end without this.")},
         {"state", described({{"type", "string"}}, "Path of a declared state, such as cpu2.timers.inactive.")},
         {"is", integer_between(INT64_MIN, INT64_MAX)},
         {"min", integer_between(INT64_MIN, INT64_MAX)},
         {"max", integer_between(INT64_MIN, INT64_MAX)},
         {"verdict",
          {{"title", "a check"},
           {"enum", std::move(names)},
           {"description", "The run shall end with a verdict of this check."}}}},
        {});
    schema["oneOf"] = exactly_one({"timer", "state", "verdict"});
    schema["minProperties"] = 1;
    for (const std::string_view key : {"fires_on", "fires", "late", "fires_at"})
        schema["dependencies"][std::string(key)] = {"timer"};
    for (const std::string_view key : {"at", "is", "min", "max"})
        schema["dependencies"][std::string(key)] = {"state"};
    return schema;
}

Json swarm_schema() {
    constexpr int kMaxEntries = 100;
    const Json place{{"type", "string"},
                     {"title", R"(a JSON pointer such as "/machine/cpus")"},
                     {"minLength", 2},
                     {"pattern", "^/"}};
    const Json end{{"type", {"integer", "string"}},
                   {"title", R"(an integer or a time such as "5ms")"},
                   {"minimum", -INT64_MAX},
                   {"pattern", R"(^\+?[0-9]+(\.[0-9]+)?(ps|ns|us|ms|s)$)"}};
    Json values = array_of(Json::object());
    values["minItems"] = 2;
    values["maxItems"] = kMaxSwarmValues;
    Json entry = object_of({{"set", described(place, "A place of the file that has a value of its own in each run.")},
                            {"from", described(end, "The least of its values.")},
                            {"to", described(end, "The greatest of its values.")},
                            {"one_of", described(std::move(values), "All of its values.")},
                            {"omit", described(place, "A place of the file that is left out in half of the runs.")}},
                           {});
    entry["minProperties"] = 1;
    entry["title"] = R"(an object with "set" or "omit")";
    entry["oneOf"] = exactly_one({"set", "omit"});
    entry["dependencies"] = {{"from", {"set", "to"}}, {"to", {"set", "from"}}, {"one_of", {"set"}}};
    // Braces around one value of this type are a copy of it for some compilers, and a list for others.
    entry["allOf"] = Json::array({if_then({{"required", {"set"}}}, {{"oneOf", exactly_one({"from", "one_of"})}})});
    Json schema = array_of(std::move(entry));
    schema["minItems"] = 1;
    schema["maxItems"] = kMaxEntries;
    return schema;
}

Json top_properties() {
    return {
        {"name", described({{"type", "string"}, {"minLength", 1}, {"maxLength", 200}}, "What it shows, in one line.")},
        {"about", described({{"type", "string"}}, "More about it.")},
        {"machine", reference("machine")},
        {"kernel", Json::object()},
        {"duration", described(reference("duration"), "How long it runs, in virtual time.")},
        {"max_steps", described(integer_between(1, INT64_MAX), "Bound on activities; reaching it is exit code 5.")},
        {"seed", described(integer_between(0, INT64_MAX), "Answers all choices; --seed overrides it.")},
        {"locks", described(array_of(name_text("the name of a lock")), "Locks that callbacks may hold.")},
        {"timers", described(array_of(Json::object()), "Timers with callbacks of their own; others need no mention.")},
        {"script", described(array_of(Json::object()), "What happens, step by step.")},
        {"faults", described(array_of(Json::object()), "What goes wrong.")},
        {"load", described(array_of(reference("load")), "Random load.")},
        {"expect", described(array_of(Json::object()), "What must come of it.")},
        {"museum", described(Json{{"type", "object"}}, "A change of the kernel, and what fails without it.")},
        {"swarm", described(swarm_schema(), "What `ticklab hunt --swarm` varies from run to run.")}};
}

Json with_header(const Json& schema, std::string_view title) {
    Json whole{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}};
    whole.update(schema);
    return whole;
}

}  // namespace

Json default_value(const ParameterDecl& parameter) {
    if (parameter.default_text.empty())
        return nullptr;
    const std::string text(parameter.default_text);
    switch (parameter.type) {
        case ValueType::kInteger:
        case ValueType::kCpu:
            return std::stoll(text);
        case ValueType::kBool:
            return text == "true";
        default:
            return text;
    }
}

Json scenario_schema(const Registry& registry) {
    Json definitions = common_definitions();
    definitions["machine"] = machine_schema(registry);
    definitions["load"] = load_schema();
    Json kernels = Json::array(), cases = Json::array();
    for (const KernelDecl* kernel : registry.kernels()) {
        const auto own = [&](std::string_view what) { return fmt::format("{}.{}", kernel->name, what); };
        definitions[own("kernel")] = kernel_schema(*kernel);
        definitions[own("when")] = when_schema(registry, *kernel);
        definitions[own("step")] = verb_choice(step_words(*kernel), Around::kStep, own("when"));
        definitions[own("fault")] = verb_choice(fault_words(), Around::kStep, own("when"));
        definitions[own("call")] = verb_choice(callback_words(*kernel), Around::kCall, {});
        definitions[own("timer")] = timer_plan_schema(own("call"));
        definitions[own("museum")] = museum_schema(registry, *kernel);
        definitions[own("expectation")] = expectation_schema(registry, *kernel);
        kernels.push_back(kernel->name);
        cases.push_back(if_then(
            {{"properties",
              {{"kernel",
                {{"type", "object"}, {"properties", {{"type", {{"const", kernel->name}}}}}, {"required", {"type"}}}}}},
             {"required", {"kernel"}}},
            {{"properties",
              {{"kernel", reference(own("kernel"))},
               {"timers", {{"items", reference(own("timer"))}}},
               {"script", {{"items", reference(own("step"))}}},
               {"faults", {{"items", reference(own("fault"))}}},
               {"expect", {{"items", reference(own("expectation"))}}},
               {"museum", reference(own("museum"))}}}}));
    }
    Json schema = object_of(top_properties(), {"name", "kernel", "duration"});
    schema["properties"]["kernel"] = {
        {"type", "object"},
        {"title", R"(an object with the kernel's "type")"},
        {"description", "The kernel and its options."},
        {"required", {"type"}},
        {"properties", {{"type", {{"title", "a kernel"}, {"enum", std::move(kernels)}}}}}};
    schema["allOf"] = std::move(cases);
    schema["definitions"] = std::move(definitions);
    return with_header(schema, "a scenario of ticklab (a JSON object)");
}

Json profile_schema() {
    Json properties{{"name", name_text("the profile's name")}, {"about", {{"type", "string"}}}};
    properties.update(machine_properties());
    Json schema = object_of(std::move(properties), {"name", "about", "c_states", "costs"});
    schema["definitions"] = common_definitions();
    return with_header(schema, "a machine profile of ticklab (a JSON object)");
}

Json cost_table_schema(const Registry& registry) {
    Json prices = Json::object();
    std::vector<std::string_view> required;
    const Json entry = object_of({{"cycles", integer_between(1, kMaxPriceCycles)},
                                  {"source", described({{"type", "string"}, {"minLength", 1}},
                                                       "Where the figure is from; an estimate says so.")}},
                                 {"cycles", "source"});
    for (const sim::CostDecl& cost : registry.costs())
        prices[std::string(cost.name)] = described(entry, cost.help);
    for (const sim::CostDecl& cost : sim::machine_cost_decls())
        required.push_back(cost.name);
    // Prices that this program's kernels do not ask for may be there: a table serves kernels of other programs too.
    Json table = object_of(std::move(prices), required);
    table["additionalProperties"] = entry;
    Json schema = object_of(
        {{"name", name_text("the table's name")}, {"about", {{"type", "string"}}}, {"prices", std::move(table)}},
        {"name", "about", "prices"});
    return with_header(schema, "a cost table of ticklab (a JSON object)");
}

}  // namespace ticklab::lab
