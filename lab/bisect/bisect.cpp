#include "ticklab/lab/bisect/bisect.hpp"

#include <algorithm>
#include <stdexcept>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::lab {
namespace {

using Flags = std::vector<bool>;
using Settings = sim::KernelDecl::Settings;

/// A kernel to try: its version, and what differs from it.
struct KernelPick {
    std::string version;
    std::vector<std::string> without, with;
};

class Bisector {
public:
    Bisector(const ScenarioLoader& loader, const std::string& file, const nlohmann::json& document,
             const Scenario& scenario, const BisectOptions& options, const BisectObserver& observer)
        : loader_(loader),
          file_(file),
          document_(document),
          scenario_(scenario),
          decl_(*scenario.kernel),
          options_(options),
          observer_(observer) {}

    Bisection go() {
        const std::vector<KernelPick> releases = usable_releases();
        if (!over_releases(releases) && result_.end == BisectEnd::kFound && !over_lists())
            result_.end = BisectEnd::kNoDifference;
        if (observer_.interrupted())
            result_.end = BisectEnd::kInterrupted;
        return std::move(result_);
    }

private:
    KernelPick own(const std::string& version) const {
        return {version, scenario_.settings.without, scenario_.settings.with};
    }

    std::optional<Scenario> load(const KernelPick& pick) const {
        nlohmann::json document = document_;
        nlohmann::json& kernel = document["kernel"];
        kernel["version"] = pick.version;
        kernel["without"] = pick.without;
        kernel["with"] = pick.with;
        std::vector<InputError> errors;
        std::optional<Scenario> scenario = loader_.load_text(file_, document.dump(), {}, errors);
        if (!scenario)
            return std::nullopt;
        try {
            const Experiment fits(*scenario, {});
        } catch (const std::invalid_argument&) {
            return std::nullopt;
        }
        return scenario;
    }

    std::vector<KernelPick> usable_releases() const {
        const auto place = [this](const std::string& version) {
            const auto at = std::find(decl_.versions.begin(), decl_.versions.end(), version);
            if (at == decl_.versions.end())
                throw std::invalid_argument("\"" + version + "\" is no version of this kernel");
            return at;
        };
        const auto first = options_.from.empty() ? decl_.versions.begin() : place(options_.from);
        const auto last = options_.to.empty() ? std::prev(decl_.versions.end()) : place(options_.to);
        if (first > last)
            throw std::invalid_argument("version " + options_.from + " comes after " + options_.to);
        std::vector<KernelPick> releases;
        for (auto version = first; version <= last; ++version) {
            KernelPick pick = own(std::string(*version));
            if (load(pick))
                releases.push_back(std::move(pick));
            else if (*version == options_.from || *version == options_.to)
                throw std::invalid_argument("version " + std::string(*version) + " does not take the scenario");
        }
        if (releases.empty())
            throw std::invalid_argument("no version takes the scenario");
        return releases;
    }

    /// Nothing if it does not load, or the user interrupts.
    std::optional<bool> fails(const KernelPick& pick) {
        const std::optional<Scenario> scenario = load(pick);
        if (!scenario || observer_.interrupted())
            return std::nullopt;
        BisectTrial trial{pick.version, pick.without, pick.with, {}, {}, 0, 0};
        HuntOptions options = options_.hunt;
        options.stop_after = 1;
        HuntObserver watcher;
        watcher.interrupted = observer_.interrupted;
        watcher.progress = [](const HuntResult&) {};
        watcher.failed = [&](const HuntFailure& failure) {
            trial.check = failure.check;
            trial.message = failure.message;
            trial.seed = failure.seed;
        };
        trial.runs = hunt(*scenario, options, watcher).runs;
        if (observer_.interrupted())
            return std::nullopt;
        observer_.tried(trial);
        result_.trials.push_back(trial);
        return trial.failed();
    }

    /// Whether the releases differ.
    bool over_releases(const std::vector<KernelPick>& releases) {
        if (releases.size() < 2)
            return false;
        const std::optional<bool> first = fails(releases.front());
        const std::optional<bool> last = fails(releases.back());
        if (!first || !last || *first == *last)
            return false;
        const std::optional<std::size_t> turn = halve(releases, *first);
        if (!turn)
            return false;
        between(releases[*turn], releases[*turn + 1], *last);
        return true;
    }

    /// Whether what the document leaves out and puts in makes the difference.
    bool over_lists() {
        const Settings& settings = scenario_.settings;
        if (settings.without.empty() && settings.with.empty())
            return false;
        const std::string version = settings.version.empty() ? std::string(decl_.versions.back()) : settings.version;
        const KernelPick plain{version, {}, {}};
        const KernelPick as_is = own(version);
        const std::optional<bool> first = fails(plain);
        const std::optional<bool> last = fails(as_is);
        if (!first || !last || *first == *last)
            return false;
        between(plain, as_is, *last);
        return true;
    }

    /// The last pick before the outcome turns; the first one's is `before`, the last one's the other. One that cannot
    /// be tried has been left out.
    std::optional<std::size_t> halve(const std::vector<KernelPick>& picks, bool before) {
        std::size_t low = 0, high = picks.size() - 1;
        while (high - low > 1) {
            const std::size_t middle = low + (high - low) / 2;
            const std::optional<bool> outcome = fails(picks[middle]);
            if (!outcome)
                return std::nullopt;
            (*outcome == before ? low : high) = middle;
        }
        return low;
    }

    Flags in_force(const KernelPick& pick) const {
        Settings settings = scenario_.settings;
        settings.version = pick.version;
        settings.without = pick.without;
        settings.with = pick.with;
        return sim::changes_in_force(decl_.changes, decl_.versions, settings).flags;
    }

    /// A kernel of that version that has exactly these changes.
    KernelPick pick_of(const std::string& version, const Flags& wanted) const {
        const Flags plain = in_force({version, {}, {}});
        KernelPick pick{version, {}, {}};
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (wanted[i] != plain[i])
                (wanted[i] ? pick.with : pick.without).emplace_back(decl_.changes[i].id);
        return pick;
    }

    void between(const KernelPick& before, const KernelPick& after, bool fails_after) {
        result_.before = before.version;
        result_.after = after.version;
        result_.fails_after = fails_after;
        const Flags to = in_force(after);
        std::vector<Flags> steps{in_force(before)};
        std::vector<KernelPick> picks{before};
        while (steps.back() != to) {
            auto [flags, pick] = next_step(after.version, steps.back(), to);
            steps.push_back(std::move(flags));
            picks.push_back(std::move(pick));
        }
        const std::optional<std::size_t> turn = halve(picks, !fails_after);
        if (!turn)
            return;
        for (std::size_t i = 0; i < to.size(); ++i)
            if (steps[*turn][i] != steps[*turn + 1][i]) {
                if (result_.changes.empty())
                    result_.put_in = steps[*turn + 1][i];
                result_.changes.push_back(&decl_.changes[i]);
            }
    }

    /// One change nearer to `to`, or all the way if none can be toggled alone.
    std::pair<Flags, KernelPick> next_step(const std::string& version, const Flags& now, const Flags& to) const {
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (now[i] == to[i])
                continue;
            Flags next = now;
            next[i] = to[i];
            KernelPick pick = pick_of(version, next);
            if (in_force(pick) == next && load(pick))
                return {std::move(next), std::move(pick)};
        }
        return {to, pick_of(version, to)};
    }

    const ScenarioLoader& loader_;
    const std::string& file_;
    const nlohmann::json& document_;
    const Scenario& scenario_;
    const sim::KernelDecl& decl_;
    const BisectOptions& options_;
    const BisectObserver& observer_;
    Bisection result_;
};

}  // namespace

Bisection bisect(const ScenarioLoader& loader, const std::string& file, const nlohmann::json& document,
                 const Scenario& scenario, const BisectOptions& options, const BisectObserver& observer) {
    return Bisector(loader, file, document, scenario, options, observer).go();
}

}  // namespace ticklab::lab
