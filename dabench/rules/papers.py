"""Papers that several rules cite. No rule is registered here."""

__all__ = ["THREE_VALIDATORS", "THREE_VALIDATORS_BIBTEX"]

THREE_VALIDATORS = (
    "Musgrave et al., Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain "
    "Adaptation, arXiv:2208.07360, 2022"
)
THREE_VALIDATORS_BIBTEX = """\
@article{musgrave2022three,
  title   = {Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain Adaptation},
  author  = {Musgrave, Kevin and Belongie, Serge and Lim, Ser-Nam},
  journal = {arXiv preprint arXiv:2208.07360},
  year    = {2022}
}"""
