#include "ticklab/lab/compare/compare.hpp"

#include <algorithm>
#include <stdexcept>

#include "ticklab/lab/ordered_tasks.hpp"

namespace ticklab::lab {
namespace {

struct Ended {
    std::string check;
    std::string message;
    bool expected;
};

/// One run: figures in the order of metrics(), unless something ended it.
struct RunFigures {
    std::vector<std::optional<std::int64_t>> figures;
    std::optional<Ended> ended;
    bool inconclusive = false;
};

RunFigures run_one(const Variant& variant, std::uint64_t seed) {
    RunWatch watch(variant.scenario.machine);
    ExperimentOptions options;
    options.seed = seed;
    options.consumers.push_back(&watch);
    std::optional<Experiment> experiment;
    try {
        experiment.emplace(variant.scenario, options);
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(variant.name() + ": " + e.what());
    }
    watch.watch(experiment->machine());
    experiment->run();
    RunFigures outcome;
    if (const std::optional<sim::Verdict>& verdict = experiment->machine().verdict())
        outcome.ended = {std::string(verdict->check->name), verdict->message,
                         verdict_expected(variant.scenario, *verdict)};
    outcome.inconclusive = experiment->end() == sim::RunEnd::kBudget;
    if (outcome.ended || outcome.inconclusive)
        return outcome;
    watch.finish(experiment->reached());
    for (const Metric& metric : metrics())
        outcome.figures.push_back(metric.read({*experiment, watch}));
    return outcome;
}

/// What the runs of one variant have brought so far.
struct Gathered {
    VariantResult result;
    std::vector<std::vector<std::int64_t>> values = std::vector<std::vector<std::int64_t>>(metrics().size());

    void add(std::uint64_t seed, RunFigures outcome) {
        ++result.runs;
        if (outcome.ended)
            return add_failure(seed, *std::move(outcome.ended));
        if (outcome.inconclusive) {
            ++result.inconclusive;
            return;
        }
        ++result.measured;
        for (std::size_t m = 0; m < values.size(); ++m)
            if (outcome.figures[m])
                values[m].push_back(*outcome.figures[m]);
    }
    void add_failure(std::uint64_t seed, Ended ended) {
        const auto same = std::find_if(result.failures.begin(), result.failures.end(), [&](const CheckFailure& f) {
            return f.check == ended.check && f.expected == ended.expected;
        });
        if (same != result.failures.end())
            ++same->runs;
        else
            result.failures.push_back({std::move(ended.check), ended.expected, 1, seed, std::move(ended.message)});
    }
    void sum_up() {
        for (std::vector<std::int64_t>& v : values) {
            std::sort(v.begin(), v.end());
            result.figures.push_back(v.empty() ? std::nullopt
                                               : std::optional(Summary{v[(v.size() - 1) / 2], v.front(), v.back()}));
        }
    }
};

void mark_best(std::vector<VariantResult>& variants, std::size_t metric, Better better) {
    if (better == Better::kNeither)
        return;
    std::vector<Summary*> row;
    for (VariantResult& variant : variants)
        if (variant.figures[metric])
            row.push_back(&*variant.figures[metric]);
    if (row.empty())
        return;
    const auto [least, greatest] = std::minmax_element(
        row.begin(), row.end(), [](const Summary* a, const Summary* b) { return a->median < b->median; });
    if ((*least)->median == (*greatest)->median)
        return;
    const std::int64_t best = better == Better::kLess ? (*least)->median : (*greatest)->median;
    for (Summary* summary : row)
        summary->best = summary->median == best;
}

}  // namespace

std::uint64_t VariantResult::failed() const {
    std::uint64_t sum = 0;
    for (const CheckFailure& failure : failures)
        sum += failure.expected ? 0 : failure.runs;
    return sum;
}

Comparison compare(std::span<const Variant> variants, const CompareOptions& options, const CompareObserver& observer) {
    const std::uint64_t last = (options.last_seed - options.first_seed + 1) * variants.size() - 1;
    OrderedTasks<RunFigures> tasks(0, last, options.jobs, [&](std::uint64_t number) {
        return run_one(variants[number % variants.size()], options.first_seed + number / variants.size());
    });
    constexpr std::chrono::milliseconds kPatience{50};
    std::vector<Gathered> gathered(variants.size());
    std::vector<RunFigures> of_one_seed;
    Comparison comparison;
    std::uint64_t failures = 0;
    for (std::uint64_t number = 0; number <= last && !comparison.interrupted;) {
        comparison.interrupted = observer.interrupted();
        std::optional<RunFigures> outcome = tasks.next(kPatience);
        if (!outcome)
            continue;
        failures += outcome->ended && !outcome->ended->expected;
        of_one_seed.push_back(*std::move(outcome));
        if (of_one_seed.size() == variants.size()) {
            for (std::size_t v = 0; v < variants.size(); ++v)
                gathered[v].add(options.first_seed + number / variants.size(), std::move(of_one_seed[v]));
            of_one_seed.clear();
        }
        observer.progress(++number, failures);
    }
    for (Gathered& of_variant : gathered) {
        of_variant.sum_up();
        comparison.variants.push_back(std::move(of_variant.result));
    }
    for (std::size_t m = 0; m < metrics().size(); ++m)
        mark_best(comparison.variants, m, metrics()[m].better);
    return comparison;
}

}  // namespace ticklab::lab
