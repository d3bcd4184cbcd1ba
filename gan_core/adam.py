"""The optimizer."""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980) without PyTorch's ``torch._dynamo`` wrappers.

    The wrappers import PyTorch's compiler, which costs every training process more than a second.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
