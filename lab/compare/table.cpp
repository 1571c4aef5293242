#include "ticklab/lab/compare/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace ticklab::lab {
namespace {

/// How the values of one metric are written: in a unit that the least of its medians fills, with three digits of it.
struct Scale {
    std::string_view unit;
    std::int64_t factor = 1;
    int decimals = 0;
};

struct UnitNames {
    std::array<std::string_view, 5> by_thousands;  ///< empty: larger ones have no name
};

constexpr UnitNames names_of(MetricUnit unit) {
    switch (unit) {
        case MetricUnit::kCycles:
            return {{"cycles", "kcycles", "Mcycles", "Gcycles", ""}};
        case MetricUnit::kPicoseconds:
            return {{"ps", "ns", "us", "ms", "s"}};
        case MetricUnit::kNanojoule:
            return {{"nJ", "uJ", "mJ", "J", ""}};
        case MetricUnit::kCount:
        case MetricUnit::kPartsPerMillion:
            break;
    }
    return {};
}

Scale scale_of(MetricUnit unit, std::int64_t least_median) {
    if (unit == MetricUnit::kPartsPerMillion)
        return {"%", 10'000, 2};
    if (unit == MetricUnit::kCount)
        return {};
    const UnitNames names = names_of(unit);
    Scale scale{names.by_thousands[0]};
    for (std::size_t i = 1; i < names.by_thousands.size() && !names.by_thousands[i].empty(); ++i)
        if (least_median >= scale.factor * 1000)
            scale = {names.by_thousands[i], scale.factor * 1000};
    const std::int64_t whole = least_median / scale.factor;
    scale.decimals = scale.factor == 1 || whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
    return scale;
}

std::string in_scale(std::int64_t value, const Scale& scale) {
    std::int64_t tens = 1;
    for (int i = 0; i < scale.decimals; ++i)
        tens *= 10;
    // Rounded half up. No value is negative.
    const auto rounded =
        static_cast<std::int64_t>((sim::Int128{value} * tens * 2 + scale.factor) / (2 * sim::Int128{scale.factor}));
    return scale.decimals == 0 ? fmt::format("{}", rounded)
                               : fmt::format("{}.{:0{}}", rounded / tens, rounded % tens, scale.decimals);
}

struct Cell {
    std::string text{};
    std::string spread{};  ///< behind the text
    bool bold = false;
    bool measured = false;

    std::size_t width() const { return text.size() + spread.size() + (bold ? 4 : 0); }
    std::string show(std::size_t width_wanted, bool left, bool colour) const {
        const std::string marked = "**" + text + "**";
        const std::string body = !bold ? text : colour ? "\x1b[1m" + marked + "\x1b[0m" : marked;
        const std::string pad(width_wanted - width(), ' ');
        return left ? body + spread + pad : pad + body + spread;
    }
};

/// The first row and the first column are headings.
using Grid = std::vector<std::vector<Cell>>;

/// As a Markdown table reads it, on one line.
Cell heading(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '|')
            safe += '\\';
        safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return {safe};
}

Cell cell_of(const std::optional<Summary>& summary, const Scale& scale) {
    if (!summary)
        return {"-"};
    Cell cell{in_scale(summary->median, scale), {}, summary->best, true};
    const std::string least = in_scale(summary->least, scale), greatest = in_scale(summary->greatest, scale);
    if (least != greatest)
        cell.spread = fmt::format(" ({}..{})", least, greatest);
    return cell;
}

/// What is written alike is marked alike; where all are, nothing is.
void mark_by_text(std::vector<Cell>& row) {
    const auto best = std::find_if(row.begin(), row.end(), [](const Cell& cell) { return cell.bold; });
    if (best == row.end())
        return;
    const std::string text = best->text;
    const auto cells = std::next(row.begin());
    const bool all = std::all_of(cells, row.end(), [&](const Cell& c) { return !c.measured || c.text == text; });
    for (auto cell = cells; cell != row.end(); ++cell)
        cell->bold = !all && cell->measured && cell->text == text;
}

std::vector<Cell> row_of(std::size_t metric, const Comparison& comparison) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    bool any = false;
    for (const VariantResult& variant : comparison.variants)
        if (const std::optional<Summary>& summary = variant.figures[metric]) {
            any = true;
            if (summary->median != 0)
                least = std::min(least, summary->median);
        }
    if (!any)
        return {};
    const Metric& m = metrics()[metric];
    const Scale scale = scale_of(m.unit, least == std::numeric_limits<std::int64_t>::max() ? 0 : least);
    std::vector<Cell> row{
        heading(scale.unit.empty() ? std::string(m.title) : fmt::format("{}, {}", m.title, scale.unit))};
    for (const VariantResult& variant : comparison.variants)
        row.push_back(cell_of(variant.figures[metric], scale));
    mark_by_text(row);
    return row;
}

std::vector<Cell> row_of_unmeasured(const Comparison& comparison) {
    std::vector<Cell> row{heading("runs without figures")};
    for (const VariantResult& variant : comparison.variants)
        row.push_back({fmt::format("{} of {}", variant.runs - variant.measured, variant.runs)});
    return row;
}

Grid grid_of(std::span<const Axis> axes, std::span<const Variant> variants, const Comparison& comparison) {
    std::string corner;
    for (const Axis& axis : axes)
        corner += (corner.empty() ? "" : ", ") + axis.path;
    Grid grid{{heading(corner)}};
    for (const Variant& variant : variants)
        grid[0].push_back(heading(variant.name()));
    if (std::any_of(comparison.variants.begin(), comparison.variants.end(),
                    [](const VariantResult& v) { return v.measured != v.runs; }))
        grid.push_back(row_of_unmeasured(comparison));
    for (std::size_t m = 0; m < metrics().size(); ++m)
        if (std::vector<Cell> row = row_of(m, comparison); !row.empty())
            grid.push_back(std::move(row));
    return grid;
}

Grid transposed(const Grid& grid) {
    Grid turned(grid[0].size());
    for (const std::vector<Cell>& row : grid)
        for (std::size_t c = 0; c < row.size(); ++c)
            turned[c].push_back(row[c]);
    return turned;
}

std::vector<std::size_t> widths_of(const Grid& grid) {
    std::vector<std::size_t> widths;
    for (const std::vector<Cell>& column : transposed(grid)) {
        widths.push_back(3);
        for (const Cell& cell : column)
            widths.back() = std::max(widths.back(), cell.width());
    }
    return widths;
}

/// The end of the columns from `from` on that fit beside the headings; at least one.
std::size_t columns_that_fit(const std::vector<std::size_t>& widths, std::size_t from) {
    constexpr std::size_t kBorder = 3;
    std::size_t used = 1 + widths[0] + kBorder;
    std::size_t end = from;
    while (end < widths.size() && (end == from || used + widths[end] + kBorder <= kTableWidth))
        used += widths[end++] + kBorder;
    return end;
}

std::string markdown(const Grid& grid, bool colour) {
    const std::vector<std::size_t> widths = widths_of(grid);
    std::string text;
    for (std::size_t from = 1; from < widths.size();) {
        const std::size_t end = columns_that_fit(widths, from);
        if (from != 1)
            text += '\n';
        for (std::size_t r = 0; r < grid.size(); ++r) {
            text += "| " + grid[r][0].show(widths[0], true, colour) + " |";
            for (std::size_t c = from; c < end; ++c)
                text += " " + grid[r][c].show(widths[c], false, colour) + " |";
            text += '\n';
            if (r != 0)
                continue;
            text += "|:" + std::string(widths[0] + 1, '-') + "|";
            for (std::size_t c = from; c < end; ++c)
                text += std::string(widths[c] + 1, '-') + ":|";
            text += '\n';
        }
        from = end;
    }
    return text;
}

}  // namespace

std::string comparison_table(std::span<const Axis> axes, std::span<const Variant> variants,
                             const Comparison& comparison, bool colour) {
    const Grid grid = grid_of(axes, variants, comparison);
    const std::vector<std::size_t> widths = widths_of(grid);
    return markdown(columns_that_fit(widths, 1) == widths.size() ? grid : transposed(grid), colour);
}

}  // namespace ticklab::lab
