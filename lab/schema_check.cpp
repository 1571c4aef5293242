#include "ticklab/lab/schema_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace ticklab::lab {

using nlohmann::json;

struct SchemaChecker::Compiled {
    valijson::Schema schema;
};

namespace {

using SchemaFinding = SchemaChecker::Finding;

/// More findings than this are not looked for; the first of them in the file are listed.
constexpr std::size_t kMaxFindings = 100;

std::string joined(const std::vector<std::string_view>& words, std::string_view last_separator) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : i + 1 == words.size() ? last_separator : ", ", in_quotes(words[i]));
    return text;
}

bool has_type(const json& value, std::string_view type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
           (type == "integer" && value.is_number_integer()) || (type == "number" && value.is_number()) ||
           (type == "null" && value.is_null());
}

/// A text, or the texts of an array.
std::vector<std::string_view> texts_of(const json& value) {
    std::vector<std::string_view> texts;
    if (value.is_string())
        texts.push_back(value.get_ref<const std::string&>());
    if (value.is_array())
        for (const json& element : value)
            if (element.is_string())
                texts.push_back(element.get_ref<const std::string&>());
    return texts;
}

/// Walks document and schema together. The depth is that of the document, JsonSource::kMaxDepth at most, times the few
/// levels of schemas that apply to one value.
class Explainer {
public:
    explicit Explainer(const json& root_schema) : root_(root_schema) {}

    void walk(const json& unresolved, const json& value, const std::string& pointer) {
        if (findings.size() >= kMaxFindings)
            return;
        const json& schema = resolved(unresolved);
        if (!check_type(schema, value, pointer) || !check_words(schema, value, pointer))
            return;
        check_bounds(schema, value, pointer);
        if (value.is_object())
            walk_object(schema, value, pointer);
        if (value.is_array() && schema.contains("items"))
            for (std::size_t i = 0; i < value.size(); ++i)
                walk(schema["items"], value[i], pointer_to(pointer, i));
        if (schema.contains("allOf"))
            for (const json& part : schema["allOf"])
                walk(part, value, pointer);
        if (schema.contains("if") && matches(schema["if"], value))
            walk(schema["then"], value, pointer);
    }

    std::vector<SchemaFinding> findings;

private:
    const json& resolved(const json& schema) const {
        const auto ref = schema.find("$ref");
        return ref == schema.end() ? schema
                                   : root_.at(json::json_pointer(ref->get_ref<const std::string&>().substr(1)));
    }

    bool matches(const json& schema, const json& value) const {
        Explainer inner(root_);
        inner.walk(schema, value, {});
        return inner.findings.empty();
    }

    void add(const std::string& pointer, std::string message, bool about_key = false) {
        findings.push_back({pointer, std::move(message), about_key});
    }

    /// What a schema expects, in words.
    std::string expected(const json& unresolved) const {
        const json& schema = resolved(unresolved);
        if (schema.contains("title"))
            return schema["title"];
        if (schema.contains("const"))
            return shown(schema["const"]);
        if (schema.contains("enum"))
            return one_of(texts_of(schema["enum"]));
        const bool low = schema.contains("minimum"), high = schema.contains("maximum");
        const std::string type = schema.contains("type") && schema["type"].is_string() ? schema["type"] : "value";
        if (low && high)
            return fmt::format("an integer from {} to {}", schema["minimum"].dump(), schema["maximum"].dump());
        if (low || high)
            return fmt::format("an integer of at {} {}", low ? "least" : "most",
                               schema[low ? "minimum" : "maximum"].dump());
        if (type == "boolean")
            return "true or false";
        if (type == "string")
            return "a string";
        return fmt::format("{} {}", type == "integer" || type == "object" || type == "array" ? "an" : "a", type);
    }

    bool check_type(const json& schema, const json& value, const std::string& pointer) {
        const auto type = schema.find("type");
        if (type == schema.end())
            return true;
        const std::vector<std::string_view> types = texts_of(*type);
        if (std::any_of(types.begin(), types.end(), [&](std::string_view t) { return has_type(value, t); }))
            return true;
        add(pointer, found_expected(shown(value), expected(schema)));
        return false;
    }

    bool check_words(const json& schema, const json& value, const std::string& pointer) {
        const auto constant = schema.find("const");
        if (constant != schema.end() && *constant != value) {
            add(pointer, found_expected(shown(value), shown(*constant)));
            return false;
        }
        const auto words = schema.find("enum");
        if (words == schema.end() || std::find(words->begin(), words->end(), value) != words->end())
            return true;
        const std::vector<std::string_view> texts = texts_of(*words);
        const std::string_view nearest =
            value.is_string() ? nearest_word(value.get_ref<const std::string&>(), texts) : "";
        const std::string title = schema.contains("title") ? schema["title"].get<std::string>() + ": " : "";
        add(pointer, found_expected(shown(value), title + one_of(texts), nearest));
        return false;
    }

    void check_bounds(const json& schema, const json& value, const std::string& pointer) {
        if (value.is_number()) {
            const bool below = schema.contains("minimum") && value < schema["minimum"];
            const bool above = schema.contains("maximum") && value > schema["maximum"];
            if (below || above)
                add(pointer, found_expected(shown(value), expected(schema)));
        }
        if (value.is_string()) {
            const std::size_t length = code_points(value.get_ref<const std::string&>());
            if (schema.contains("minLength") && length < schema["minLength"])
                add(pointer, found_expected("an empty string", expected(schema)));
            if (schema.contains("maxLength") && length > schema["maxLength"])
                add(pointer, found_expected(fmt::format("{} characters", length),
                                            fmt::format("at most {}", schema["maxLength"].dump())));
        }
        if (value.is_array()) {
            const bool few = schema.contains("minItems") && value.size() < schema["minItems"];
            const bool many = schema.contains("maxItems") && value.size() > schema["maxItems"];
            if (few || many)
                add(pointer, found_expected(fmt::format("{} elements", value.size()),
                                            fmt::format("at {} {}", few ? "least" : "most",
                                                        schema[few ? "minItems" : "maxItems"].dump())));
        }
    }

    static std::size_t code_points(const std::string& text) {
        return static_cast<std::size_t>(std::count_if(
            text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    }

    void walk_object(const json& schema, const json& value, const std::string& pointer) {
        const json& properties = schema.contains("properties") ? schema["properties"] : kNothing;
        std::vector<std::string_view> known;
        for (const auto& [name, unused] : properties.items())
            known.push_back(name);
        if (schema.contains("required"))
            for (const std::string_view name : texts_of(schema["required"]))
                if (!value.contains(name))
                    add(pointer, found_expected(fmt::format("no {}", in_quotes(name)),
                                                properties.contains(name) ? expected(properties[std::string(name)])
                                                                          : "that member"));
        const json& others = schema.contains("additionalProperties") ? schema["additionalProperties"] : kNothing;
        for (const auto& [name, member] : value.items()) {
            if (properties.contains(name))
                walk(properties[name], member, pointer_to(pointer, name));
            else if (others.is_object())
                walk(others, member, pointer_to(pointer, name));
            else
                add(pointer_to(pointer, name),
                    found_expected(fmt::format("key {}", in_quotes(name)), known.empty() ? "no keys" : one_of(known),
                                   nearest_word(name, known)),
                    true);
        }
        check_counts(schema, value, pointer);
        check_groups(schema, value, pointer);
    }

    void check_counts(const json& schema, const json& value, const std::string& pointer) {
        const bool few = schema.contains("minProperties") && value.size() < schema["minProperties"];
        const bool many = schema.contains("maxProperties") && value.size() > schema["maxProperties"];
        if (few || many)
            add(pointer, found_expected(few ? shown(value) : "several members", expected(schema)));
    }

    void check_groups(const json& schema, const json& value, const std::string& pointer) {
        // Without any of the alternatives, what depends on one of them is no second mistake.
        bool none = false;
        if (schema.contains("oneOf")) {
            std::vector<std::string_view> names, found;
            for (const json& alternative : schema["oneOf"])
                names.push_back(alternative["required"][0].get_ref<const std::string&>());
            std::copy_if(names.begin(), names.end(), std::back_inserter(found),
                         [&](std::string_view name) { return value.contains(name); });
            none = found.empty();
            if (found.size() != 1)
                add(pointer, found_expected(found.empty() ? "none of them" : joined(found, " and "),
                                            fmt::format("exactly one of {}", joined(names, " and "))));
        }
        if (schema.contains("dependencies") && !none)
            for (const auto& [name, needed] : schema["dependencies"].items())
                for (const std::string_view other : texts_of(needed))
                    if (value.contains(name) && !value.contains(other))
                        add(pointer_to(pointer, name),
                            found_expected(fmt::format("{} without {}", in_quotes(name), in_quotes(other)), "both"),
                            true);
    }

    static inline const json kNothing = json::object();
    const json& root_;
};

/// Takes out what valijson shall not look at: "pattern" where it is a keyword, and not the name of a member.
void strip_patterns(json& node, bool of_names) {
    if (node.is_object() && !of_names)
        node.erase("pattern");
    for (auto it = node.begin(); node.is_structured() && it != node.end(); ++it) {
        const bool names = node.is_object() && !of_names && (it.key() == "properties" || it.key() == "definitions");
        strip_patterns(*it, names);
    }
}

}  // namespace

SchemaChecker::SchemaChecker(const nlohmann::ordered_json& schema)
    : schema_(json::parse(schema.dump())), compiled_(std::make_unique<Compiled>()) {
    strip_patterns(schema_, false);
    try {
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema_), compiled_->schema);
    } catch (const std::exception& e) {
        throw std::logic_error(fmt::format("a generated schema is not valid: {}", e.what()));
    }
}

SchemaChecker::~SchemaChecker() = default;
SchemaChecker::SchemaChecker(SchemaChecker&&) noexcept = default;

bool SchemaChecker::accepts(const json& document) const {
    valijson::Validator validator;
    return validator.validate(compiled_->schema, valijson::adapters::NlohmannJsonAdapter(document), nullptr);
}

std::vector<SchemaChecker::Finding> SchemaChecker::explain(const json& document) const {
    Explainer explainer(schema_);
    explainer.walk(schema_, document, {});
    return std::move(explainer.findings);
}

bool SchemaChecker::check(const JsonSource& source, std::vector<InputError>& errors) const {
    if (accepts(source.root()))
        return true;
    std::vector<InputError> found;
    for (SchemaFinding& finding : explain(source.root()))
        found.push_back(finding.about_key ? source.error_at_key(finding.pointer, std::move(finding.message))
                                          : source.error_at(finding.pointer, std::move(finding.message)));
    if (found.empty()) {
        valijson::ValidationResults results;
        valijson::Validator validator;
        validator.validate(compiled_->schema, valijson::adapters::NlohmannJsonAdapter(source.root()), &results);
        valijson::ValidationResults::Error last;
        while (results.popError(last)) {
        }
        found.push_back(source.error_at({}, last.description));
    }
    std::stable_sort(found.begin(), found.end(), [](const InputError& a, const InputError& b) {
        return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
    });
    found.resize(std::min(found.size(), kMaxInputErrors));
    std::move(found.begin(), found.end(), std::back_inserter(errors));
    return false;
}

}  // namespace ticklab::lab
