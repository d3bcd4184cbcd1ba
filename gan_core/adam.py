"""The optimiser."""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """PyTorch's Adam (Kingma and Ba, 2015, arXiv:1412.6980) as it is where nothing is compiled.

    What PyTorch wraps these methods in keeps its compiler away from them, and loads that compiler for it:
    more than a second of every process that trains.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
