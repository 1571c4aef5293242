// The form of a bundle as a file.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/schema_check.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFormatMember = "bundle";
std::string format_title() { return fmt::format("format {} of bundles", kBundleFormat); }

constexpr const char* kNear = "near";

constexpr std::string_view kKeyForm = "16 hexadecimal digits";
constexpr std::string_view kSeedForm = "a seed: digits";

OrderedJson bundle_object(OrderedJson properties) {
    OrderedJson required = OrderedJson::array();
    for (const auto& [name, schema] : properties.items())
        required.push_back(name);
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"additionalProperties", false},
            {"required", std::move(required)}};
}

OrderedJson bundle_text(std::string_view title) { return {{"type", "string"}, {"title", title}}; }

OrderedJson bundle_count() { return {{"type", "integer"}, {"minimum", 0}, {"maximum", INT64_MAX}}; }

OrderedJson bundle_array(OrderedJson items) { return {{"type", "array"}, {"items", std::move(items)}}; }

template <int kBase>
std::optional<std::uint64_t> bundle_number(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, kBase);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

RecordContext context_from(const nlohmann::json& document) {
    RecordContext context;
    context.number = document["record"].get<std::uint64_t>();
    for (const nlohmann::json& record : document["records"])
        context.records.push_back({record["number"].get<std::uint64_t>(),
                                   sim::kBoot + sim::Duration{record["at_ps"].get<std::int64_t>()},
                                   record["what"].get<std::string>()});
    context.cpus = document["cpus"].get<std::vector<std::string>>();
    return context;
}

/// Reads what the schema cannot check.
class BundleReader {
public:
    BundleReader(const JsonSource& source, std::vector<InputError>& errors) : source_(source), errors_(errors) {}

    template <int kBase>
    std::uint64_t number(const nlohmann::json& value, const std::string& pointer, std::string_view expected) {
        const auto& text = value.get_ref<const std::string&>();
        const std::optional<std::uint64_t> number = bundle_number<kBase>(text);
        if (!number)
            errors_.push_back(source_.error_at(pointer, found_expected(in_quotes(text), expected)));
        return number.value_or(0);
    }

    DecisionList decisions() {
        DecisionList list;
        Times seen;
        const nlohmann::json& stalls = source_.root()["decisions"]["stalls"];
        for (std::size_t i = 0; i < stalls.size(); ++i) {
            const std::string at = pointer_to("/decisions/stalls", i);
            const auto& text = stalls[i]["length"].get_ref<const std::string&>();
            const Parsed<sim::Duration> length = parse_duration(text);
            if (!length.value || *length.value == sim::Duration::zero())
                errors_.push_back(source_.error_at(
                    at + "/length",
                    found_expected(in_quotes(text), length.value ? "more than nothing" : length.expected)));
            list.stalls.push_back({key(stalls[i], at, seen), stalls[i]["nth"].get<std::uint64_t>(),
                                   length.value.value_or(sim::Duration{1})});
        }
        seen.clear();
        const nlohmann::json& ties = source_.root()["decisions"]["ties"];
        for (std::size_t i = 0; i < ties.size(); ++i)
            list.ties.push_back({key(ties[i], pointer_to("/decisions/ties", i), seen),
                                 ties[i]["nth"].get<std::uint64_t>(), ties[i]["answer"].get<std::uint64_t>()});
        return list;
    }

    /// A chunk of the digest is a link of the chain once it is full; each record has a mark.
    void check_lengths(const RunOutcome& outcome) {
        constexpr std::uint64_t kChunk = sim::RecordStream::kChunkRecords;
        if (outcome.chain.size() != outcome.records / kChunk)
            errors_.push_back(source_.error_at(
                "/chain",
                found_expected(fmt::format("{} links", outcome.chain.size()),
                               fmt::format("{}, one for each {} records", outcome.records / kChunk, kChunk))));
        std::uint64_t left = outcome.records * kMarkDigits;
        for (std::size_t i = 0; i < outcome.marks.size(); ++i) {
            const std::string& link = outcome.marks[i];
            const std::uint64_t digits = std::min(left, kChunk * kMarkDigits);
            if (link.empty() || link.size() != digits || link.find_first_not_of(kHexDigits) != std::string::npos)
                return refuse_marks(pointer_to("/marks", i), in_quotes(link),
                                    fmt::format("{} hexadecimal digits", digits));
            left -= digits;
        }
        if (left != 0)
            refuse_marks("/marks", fmt::format("{} strings", outcome.marks.size()),
                         fmt::format("{} digits for each of {} records", kMarkDigits, outcome.records));
    }

private:
    using Times = std::set<std::pair<std::uint64_t, std::uint64_t>>;

    /// The key of an entry; no time of it twice.
    std::uint64_t key(const nlohmann::json& entry, const std::string& at, Times& seen) {
        const std::string pointer = at + "/key";
        const auto key = number<16>(entry["key"], pointer, kKeyForm);
        if (!seen.emplace(key, entry["nth"].get<std::uint64_t>()).second)
            errors_.push_back(
                source_.error_at(pointer, found_expected("a key and time that are there already", "another")));
        return key;
    }

    static constexpr const char* kHexDigits = "0123456789abcdef";

    void refuse_marks(const std::string& pointer, const std::string& found, const std::string& expected) {
        errors_.push_back(source_.error_at(pointer, found_expected(found, expected)));
    }

    const JsonSource& source_;
    std::vector<InputError>& errors_;
};

}  // namespace

OrderedJson bundle_schema() {
    const OrderedJson format{{"const", kBundleFormat}, {"title", format_title()}};
    const OrderedJson key = bundle_text(kKeyForm);
    const OrderedJson from_one{{"type", "integer"}, {"minimum", 1}, {"maximum", INT64_MAX}};
    OrderedJson schema = bundle_object(
        {{kFormatMember, format},
         {"version", bundle_text("the version of ticklab")},
         {"scenario_file", bundle_text("a file name")},
         {"scenario_hash", bundle_text(kKeyForm)},
         {"overrides", bundle_array(bundle_text("a --set argument"))},
         {"seed", bundle_text(kSeedForm)},
         {"expectations", {{"type", "boolean"}}},
         {"looks", {{"type", "integer"}, {"minimum", 1}, {"maximum", 1'000'000}}},
         {"verdict", bundle_object({{"check", bundle_text("the name of a check")},
                                    {"message", bundle_text("a text")},
                                    {"at_ps", bundle_count()},
                                    {"cpu", {{"type", "integer"}, {"minimum", -1}, {"maximum", INT32_MAX}}}})},
         {"decisions",
          bundle_object(
              {{"stalls",
                bundle_array(bundle_object({{"key", key}, {"nth", from_one}, {"length", bundle_text("a duration")}}))},
               {"ties", bundle_array(bundle_object({{"key", key}, {"nth", from_one}, {"answer", from_one}}))}})},
         {"records", bundle_count()},
         {"digest", bundle_text("a digest")},
         {"chain", bundle_array(bundle_text("a digest"))},
         {"marks", bundle_array(bundle_text("marks"))},
         {"scenario", {{"type", "object"}, {"title", "a scenario"}}}});
    schema["properties"][kNear] = bundle_object(
        {{"record", from_one},
         {"records",
          bundle_array(bundle_object(
              {{"number", from_one}, {"at_ps", bundle_count()}, {"what", bundle_text("a record in words")}}))},
         {"cpus", bundle_array(bundle_text("what a CPU was doing"))}});
    OrderedJson whole{{"$schema", "http://json-schema.org/draft-07/schema#"},
                      {"title", "a replay bundle of ticklab (a JSON object)"}};
    whole.update(schema);
    return whole;
}

OrderedJson to_json(const RecordContext& context) {
    OrderedJson records = OrderedJson::array();
    for (const ToldRecord& record : context.records)
        records.push_back(
            {{"number", record.number}, {"at_ps", record.at.time_since_epoch().count()}, {"what", record.what}});
    return {{"record", context.number}, {"records", std::move(records)}, {"cpus", context.cpus}};
}

OrderedJson to_json(const Bundle& bundle) {
    OrderedJson stalls = OrderedJson::array(), ties = OrderedJson::array();
    for (const StallDecision& stall : bundle.decisions.stalls)
        stalls.push_back(
            {{"key", fmt::format("{:016x}", stall.key)}, {"nth", stall.nth}, {"length", duration_text(stall.length)}});
    for (const TieDecision& tie : bundle.decisions.ties)
        ties.push_back({{"key", fmt::format("{:016x}", tie.key)}, {"nth", tie.nth}, {"answer", tie.answer}});
    const RunOutcome& outcome = bundle.outcome;
    OrderedJson document{{kFormatMember, kBundleFormat},
                         {"version", bundle.version},
                         {"scenario_file", bundle.scenario_file},
                         {"scenario_hash", bundle.scenario_hash},
                         {"overrides", bundle.overrides},
                         {"seed", std::to_string(bundle.seed)},
                         {"expectations", bundle.expectations},
                         {"looks", bundle.looks},
                         {"verdict",
                          {{"check", outcome.check},
                           {"message", outcome.message},
                           {"at_ps", outcome.at.time_since_epoch().count()},
                           {"cpu", outcome.cpu == sim::kNoCpu ? -1 : static_cast<std::int64_t>(outcome.cpu)}}},
                         {"decisions", {{"stalls", std::move(stalls)}, {"ties", std::move(ties)}}},
                         {"records", outcome.records},
                         {"digest", outcome.digest},
                         {"chain", outcome.chain},
                         {"marks", outcome.marks},
                         {"scenario", OrderedJson::parse(bundle.scenario.dump())}};
    if (bundle.near)
        document[kNear] = to_json(*bundle.near);
    return document;
}

std::optional<Bundle> read_bundle(const std::string& file, std::vector<InputError>& errors) {
    const std::optional<JsonSource> source = JsonSource::read(file, errors);
    return source ? read_bundle(*source, errors) : std::nullopt;
}

bool looks_like_bundle(const JsonSource& source) {
    return source.root().is_object() && source.root().contains(kFormatMember);
}

std::optional<Bundle> read_bundle(const JsonSource& source, std::vector<InputError>& errors) {
    // Of another format nothing else can be said.
    if (looks_like_bundle(source) && source.root()[kFormatMember] != kBundleFormat) {
        errors.push_back(source.error_at(pointer_to({}, kFormatMember),
                                         found_expected(shown(source.root()[kFormatMember]), format_title())));
        return std::nullopt;
    }
    if (!SchemaChecker(bundle_schema()).check(source, errors))
        return std::nullopt;
    const nlohmann::json& root = source.root();
    std::vector<InputError> found;
    BundleReader reader(source, found);
    Bundle bundle;
    bundle.version = root["version"].get<std::string>();
    bundle.scenario_file = root["scenario_file"].get<std::string>();
    bundle.scenario_hash = root["scenario_hash"].get<std::string>();
    bundle.overrides = root["overrides"].get<std::vector<std::string>>();
    bundle.scenario = root["scenario"];
    bundle.seed = reader.number<10>(root["seed"], "/seed", kSeedForm);
    bundle.expectations = root["expectations"].get<bool>();
    bundle.looks = root["looks"].get<unsigned>();
    bundle.decisions = reader.decisions();
    const nlohmann::json& verdict = root["verdict"];
    bundle.outcome.check = verdict["check"].get<std::string>();
    bundle.outcome.message = verdict["message"].get<std::string>();
    bundle.outcome.at = sim::kBoot + sim::Duration{verdict["at_ps"].get<std::int64_t>()};
    const auto cpu = verdict["cpu"].get<std::int64_t>();
    bundle.outcome.cpu = cpu < 0 ? sim::kNoCpu : static_cast<sim::CpuId>(cpu);
    bundle.outcome.records = root["records"].get<std::uint64_t>();
    bundle.outcome.digest = root["digest"].get<std::string>();
    bundle.outcome.chain = root["chain"].get<std::vector<std::string>>();
    bundle.outcome.marks = root["marks"].get<std::vector<std::string>>();
    if (root.contains(kNear))
        bundle.near = context_from(root[kNear]);
    reader.check_lengths(bundle.outcome);
    if (found.empty())
        return bundle;
    errors.insert(errors.end(), found.begin(), found.end());
    return std::nullopt;
}

}  // namespace ticklab::lab
