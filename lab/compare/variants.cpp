#include "ticklab/lab/compare/variants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/json_source.hpp"

namespace ticklab::lab {
namespace {

std::vector<std::string> split_values(std::string_view text) {
    std::vector<std::string> values(1);
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted && c == '\\' && i + 1 < text.size()) {
            values.back() += c;
            values.back() += text[++i];
            continue;
        }
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{'))
            ++depth;
        else if (!quoted && (c == ']' || c == '}'))
            --depth;
        if (c == ',' && !quoted && depth <= 0)
            values.emplace_back();
        else
            values.back() += c;
    }
    return values;
}

/// Whether each is there once; else says which is not.
bool all_differ(std::vector<std::string> words, std::string& twice) {
    std::sort(words.begin(), words.end());
    const auto at = std::adjacent_find(words.begin(), words.end());
    if (at != words.end())
        twice = *at;
    return at == words.end();
}

/// The next combination, the last axis fastest; false after the last one.
bool advance(std::vector<std::size_t>& chosen, std::span<const Axis> axes) {
    for (std::size_t i = axes.size(); i-- > 0;) {
        if (++chosen[i] < axes[i].values.size())
            return true;
        chosen[i] = 0;
    }
    return false;
}

bool check_axes(std::span<const Axis> axes, std::vector<InputError>& errors) {
    std::vector<std::string> pointers;
    std::size_t combinations = 1;
    for (const Axis& axis : axes) {
        pointers.push_back(pointer_of_path(axis.path));
        combinations = std::min(combinations * axis.values.size(), kMaxVariants + 1);
    }
    if (std::string twice; !all_differ(pointers, twice))
        errors.push_back(file_error("--vary", found_expected(in_quotes(twice) + " twice", "a place once")));
    else if (combinations > kMaxVariants)
        errors.push_back(
            file_error("--vary", found_expected("more combinations", fmt::format("at most {}", kMaxVariants))));
    return errors.empty();
}

}  // namespace

Parsed<Axis> parse_axis(std::string_view argument) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string_view::npos || equals == 0)
        return {std::nullopt, "/pointer=V1,V2,... or dotted.path=V1,V2,..."};
    Axis axis{std::string(argument.substr(0, equals)), split_values(argument.substr(equals + 1))};
    if (std::string twice; !all_differ(axis.values, twice))
        return {std::nullopt, fmt::format("each value once, not {} twice", in_quotes(twice))};
    if (std::find(axis.values.begin(), axis.values.end(), std::string()) != axis.values.end())
        return {std::nullopt, "a value after each = and comma"};
    return {std::move(axis), {}};
}

std::string Variant::name() const {
    std::string all;
    for (const std::string& value : values)
        all += (all.empty() ? "" : ", ") + value;
    return all;
}

std::vector<Variant> load_variants(const ScenarioLoader& loader, const std::string& file,
                                   const std::vector<std::string>& overrides, std::span<const Axis> axes,
                                   std::vector<InputError>& errors) {
    if (!check_axes(axes, errors))
        return {};
    // Once: it may be the standard input.
    const std::optional<JsonSource> source = JsonSource::read(file, errors);
    if (!source)
        return {};
    std::vector<Variant> variants;
    std::vector<std::size_t> chosen(axes.size());
    do {
        Variant variant;
        std::vector<std::string> all = overrides;
        for (std::size_t i = 0; i < axes.size(); ++i) {
            variant.values.push_back(axes[i].values[chosen[i]]);
            variant.overrides.push_back(axes[i].path + "=" + variant.values.back());
            all.push_back(variant.overrides.back());
        }
        std::vector<InputError> found;
        std::optional<Scenario> scenario = loader.load_text(source->file(), source->text(), all, found);
        if (!scenario) {
            for (InputError& error : found) {
                for (const std::string& varied : variant.overrides)
                    if (error.file == "--set " + varied)
                        error.file = "--vary " + varied;
                errors.push_back(std::move(error));
            }
            return {};
        }
        variant.scenario = *std::move(scenario);
        variants.push_back(std::move(variant));
    } while (advance(chosen, axes));
    return variants;
}

}  // namespace ticklab::lab
